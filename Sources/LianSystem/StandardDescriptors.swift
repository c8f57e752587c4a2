import Glibc

/// Takes the places of standard descriptors that the caller closed: a file or socket of ours that landed there would be
/// taken for them. What is written to a closed stdout still fails.
package func holdStandardDescriptors() {
    for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
        // open(2) gives the lowest free number, which is this one. It stays open to the end.
        _ = open("/dev/null", descriptor == STDOUT_FILENO ? O_RDONLY : O_RDWR)
    }
}
