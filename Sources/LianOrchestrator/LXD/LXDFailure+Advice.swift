extension LXDFailure {
    /// The failure, with what whoever runs the cluster can do about it.
    var advised: String {
        switch kind {
        case .unreachable: "\(self); see that a member runs and can be reached from here"
        case .stranger:
            "\(self); server_certificate has to be the cluster's own (cluster.crt of a member, server.crt where there is "
                + "no cluster), and where it is, do not trust that address"
        case .unanswered:
            "\(self); a cluster that has lost its quorum answers nothing: start the members that are down (`lxc cluster "
                + "list` at one that runs)"
        case .refused(403):
            "\(self); see by `lxc config trust list` whether client_certificate is trusted, and for this project: `lxc config "
                + "trust edit FINGERPRINT` gives it that. Where it had to be replaced, send SIGHUP"
        case .refused: description
        }
    }
}
