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
            "\(self); the client's certificate lacks the right: give it the project by `lxc config trust edit FINGERPRINT`"
        case .refused: description
        }
    }
}
