#!/usr/bin/perl
# An SMSC for the tests of the SMPP driver, on Net::SMPP (Debian: libnet-smpp-perl): another's
# reading of SMPP 3.4 than that of the library which the driver uses.
#
#   smsc.pl HOST PORT SYSTEM_ID PASSWORD [BEHAVIOUR...]
#
# Tells "ready", and each bind, submit and unbind, in a line of JSON. It takes each submit_sm and
# reports it delivered, but the first ones do as the behaviours say: a number is the
# command_status to refuse with, "drop" drops the connection unanswered, "fail" takes it and reports
# it undeliverable, "tlv" takes it and reports it delivered by optional parameters alone.
use strict;
use warnings;
use Net::SMPP;

my ($host, $port, $system_id, $password, @behaviours) = @ARGV;
$| = 1;
$SIG{PIPE} = 'IGNORE';
my $server = Net::SMPP->new_listen($host, port => $port, smpp_version => 0x34)
    or die "cannot listen: $!";
print "ready\n";
my $count = 0;

while (1) {
    my $peer = $server->accept or next;
    $peer->set_version(0x34);
    serve($peer);
    close $peer;
}

sub serve {
    my ($peer) = @_;
    while (my $pdu = $peer->read_pdu()) {
        my $command = $pdu->{cmd};
        if ($command == 0x09) {    # bind_transceiver
            my $is_known = $pdu->{system_id} eq $system_id && $pdu->{password} eq $password;
            $peer->bind_transceiver_resp(
                system_id => 'smsc', seq => $pdu->{seq}, status => $is_known ? 0 : 0x0e);
            printf "{\"event\": \"bind\", \"known\": %d}\n", $is_known ? 1 : 0;
            return unless $is_known;
        } elsif ($command == 0x15) {    # enquire_link
            $peer->enquire_link_resp(seq => $pdu->{seq});
        } elsif ($command == 0x06) {    # unbind
            print "{\"event\": \"unbind\"}\n";
            $peer->unbind_resp(seq => $pdu->{seq});
            return;
        } elsif ($command == 0x04) {    # submit_sm
            take($peer, $pdu) or return;
        }
    }
}

sub take {
    my ($peer, $pdu) = @_;
    my $behaviour = shift(@behaviours) // '';
    printf "{\"event\": \"submit\", \"from\": \"%s\", \"to\": \"%s\", \"ton\": [%d, %d], "
        . "\"esm_class\": %d, \"data_coding\": %d, \"registered\": %d, \"validity\": \"%s\", "
        . "\"content\": \"%s\"}\n",
        $pdu->{source_addr}, $pdu->{destination_addr}, $pdu->{source_addr_ton},
        $pdu->{dest_addr_ton}, $pdu->{esm_class}, $pdu->{data_coding},
        $pdu->{registered_delivery}, $pdu->{validity_period}, unpack('H*', $pdu->{short_message});
    return 0 if $behaviour eq 'drop';
    if ($behaviour =~ /^\d+$/) {
        $peer->submit_sm_resp(message_id => '', seq => $pdu->{seq}, status => $behaviour);
        return 1;
    }
    my $id = sprintf 'smsc-%d', ++$count;
    $peer->submit_sm_resp(message_id => $id, seq => $pdu->{seq});
    my ($stat, $state) = $behaviour eq 'fail' ? ('UNDELIV', 5) : ('DELIVRD', 2);
    my %receipt = (short_message => "id:$id sub:001 dlvrd:001 submit date:2603040506 "
        . "done date:2603040506 stat:$stat err:000 text:");
    %receipt = (short_message => '', receipted_message_id => "$id\0", message_state => pack('C', $state))
        if $behaviour eq 'tlv';
    $peer->deliver_sm(
        source_addr => $pdu->{destination_addr}, destination_addr => $pdu->{source_addr},
        esm_class => 0x04, async => 1, %receipt);
    return 1;
}
