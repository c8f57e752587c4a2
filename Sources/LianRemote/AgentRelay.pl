# Runs on the runner, as AgentRelay.swift sends it; a runner has Perl where it has nothing else that listens at a socket.
# The lines that are comments are left out on the way.
#
# serve FOLDER COUNT: makes the sockets agent.0, agent.1, … for a build's steps and `relay` for the client, and returns
# when a process that serves them is there. That process knows the length of a message and nothing of what is in it.
# join FOLDER: joins this program's input and output with `relay`.
#
# A step's connection has one request under way at a time. To the client it goes as the request's number, the socket's
# number, its length and its bytes; back comes the request's number, the answer's length and its bytes. No bytes mean
# that the connection is to be closed. A client that comes back after its connection was lost gets each request that has
# no answer yet once more.
use strict;
use warnings;
use IO::Handle;
use Socket;

my $message_limit = 256 << 10;
my $connection_limit = 64;
# More than the client takes for an answer, and for coming back after a lost connection.
my $patience = 150;
my $piece = 64 << 10;

my ($mode, $folder, $count) = @ARGV;
chdir $folder or exit 1;
umask 0077;
$SIG{PIPE} = 'IGNORE';
if ($mode eq 'join') { join_relay() } else { serve() }

sub join_relay {
    my $relay;
    socket($relay, AF_UNIX, SOCK_STREAM, 0) && connect($relay, pack_sockaddr_un('relay')) or exit 1;
    my %to = (fileno(STDIN) => $relay, fileno($relay) => \*STDOUT);
    my %from = (fileno(STDIN) => \*STDIN, fileno($relay) => $relay);
    while (1) {
        my $readable = '';
        vec($readable, $_, 1) = 1 for keys %from;
        select($readable, undef, undef, undef) > 0 or next;
        for my $number (grep { vec($readable, $_, 1) } keys %from) {
            sysread($from{$number}, my $bytes, $piece) or exit 0;
            while (length $bytes) {
                my $written = syswrite($to{$number}, $bytes) or exit 0;
                substr($bytes, 0, $written) = '';
            }
        }
    }
}

sub listener {
    my ($name) = @_;
    my $socket;
    socket($socket, AF_UNIX, SOCK_STREAM, 0) && bind($socket, pack_sockaddr_un($name)) && listen($socket, 16)
        or exit 1;
    return $socket;
}

my (@agents, $control, $client, %connections, $last);

sub serve {
    @agents = map { listener("agent.$_") } 0 .. $count - 1;
    $control = listener('relay');
    defined(my $server = fork) or exit 1;
    exit 0 if $server;
    $last = 0;
    while (1) {
        my ($readable, $writable) = ('', '');
        my @asking = grep { !defined $_->{request} } values %connections;
        vec($readable, fileno $_, 1) = 1 for $control, keys %connections < $connection_limit ? @agents : ();
        vec($readable, fileno $_->{socket}, 1) = 1 for @asking, $client // ();
        my @telling = grep { length $_->{out} } values %connections, $client // ();
        vec($writable, fileno $_->{socket}, 1) = 1 for @telling;
        my $waiting = grep { defined $_->{request} } values %connections;
        select($readable, $writable, undef, $waiting ? 1 : undef) >= 0 or next;
        for my $one (@telling) { send_some($one) if vec($writable, fileno $one->{socket}, 1) }
        for my $one (@asking) { hear_step($one) if !$one->{closed} && vec($readable, fileno $one->{socket}, 1) }
        if ($client && vec($readable, fileno $client->{socket}, 1)) { hear_client() }
        for my $index (0 .. $#agents) { take_step($index) if vec($readable, fileno $agents[$index], 1) }
        take_client() if vec($readable, fileno $control, 1);
        for my $one (values %connections) { close_step($one) if defined $one->{request} && time > $one->{deadline} }
    }
}

sub accepted {
    my ($listener) = @_;
    accept(my $socket, $listener) or return;
    $socket->blocking(0);
    return { socket => $socket, in => '', out => '' };
}

sub take_step {
    my ($index) = @_;
    my $one = accepted($agents[$index]) or return;
    $one->{agent} = $index;
    $connections{fileno $one->{socket}} = $one;
}

sub take_client {
    my $one = accepted($control) or return;
    close $client->{socket} if $client;
    $client = $one;
    pass_on($_) for grep { defined $_->{request} } values %connections;
}

# False at its end.
sub read_some {
    my ($one) = @_;
    my $got = sysread $one->{socket}, $one->{in}, $piece, length $one->{in};
    return $got || !defined $got && ($!{EAGAIN} || $!{EINTR});
}

sub send_some {
    my ($one) = @_;
    my $sent = syswrite $one->{socket}, $one->{out};
    if (defined $sent) { substr($one->{out}, 0, $sent) = '' }
    elsif (!$!{EAGAIN} && !$!{EINTR}) { $one == ($client // 0) ? drop_client() : close_step($one) }
}

sub close_step {
    my ($one) = @_;
    delete $connections{fileno $one->{socket}};
    $one->{closed} = 1;
    $one->{out} = '';
    close $one->{socket};
}

sub drop_client {
    close $client->{socket};
    undef $client;
}

sub hear_step {
    my ($one) = @_;
    return close_step($one) unless read_some($one);
    ask($one);
}

# Takes a request out of what a step has sent, where it is whole.
sub ask {
    my ($one) = @_;
    return if length $one->{in} < 4;
    my $size = unpack 'N', $one->{in};
    return close_step($one) if $size == 0 || $size > $message_limit;
    return if length $one->{in} < 4 + $size;
    $one->{request} = substr $one->{in}, 4, $size;
    substr($one->{in}, 0, 4 + $size) = '';
    $one->{number} = ++$last;
    $one->{deadline} = time + $patience;
    pass_on($one);
}

sub pass_on {
    my ($one) = @_;
    $client->{out} .= pack 'N N N/a*', $one->{number}, $one->{agent}, $one->{request} if $client;
}

sub hear_client {
    return drop_client() unless read_some($client);
    while (length $client->{in} >= 8) {
        my ($number, $size) = unpack 'N N', $client->{in};
        return drop_client() if $size > $message_limit;
        return if length $client->{in} < 8 + $size;
        my $answer = substr $client->{in}, 8, $size;
        substr($client->{in}, 0, 8 + $size) = '';
        my ($one) = grep { defined $_->{request} && $_->{number} == $number } values %connections;
        next unless $one;
        if ($size == 0) { close_step($one); next }
        delete $one->{request};
        $one->{out} .= pack 'N/a*', $answer;
        ask($one);
    }
}
