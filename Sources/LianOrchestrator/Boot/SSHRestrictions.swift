/// What the sshd of every runner allows: one user, by key alone, and nothing to be forwarded.
enum SSHRestrictions {
    static func lines(user: String) -> String {
        """
        AllowUsers \(user)
        PermitRootLogin prohibit-password
        AuthenticationMethods publickey
        PubkeyAuthentication yes
        PasswordAuthentication no
        KbdInteractiveAuthentication no
        UsePAM no
        AllowTcpForwarding no
        AllowStreamLocalForwarding no
        AllowAgentForwarding no
        X11Forwarding no
        PermitTunnel no
        PermitUserRC no
        PermitUserEnvironment no
        PrintMotd no
        PrintLastLog no
        UseDNS no
        ClientAliveInterval 15
        ClientAliveCountMax 4
        LoginGraceTime 20
        MaxSessions 64
        MaxStartups 100
        LogLevel INFO
        """
    }
}
