# The part of the client in Perl that is about consumer groups: members (ASSIGN, DATA of slots, CREDIT with positions), COMMIT, GROUP. From the page alone, too.
#   my $m = $c->join('alarms', ['temps'], start => 'earliest', auto => 1000);  # { error, corr, id, generation }
#   for ($c->take($m->{corr})) { work on $_->{records} of $_->{topic}, $_->{partition} }
#   $c->processed($m->{corr}); $c->release($m->{corr});                        # what take() gave is dealt with; what was revoked is given up
#   $c->leave($m->{corr});
use v5.36;
use rivulet_client;

package Rivulet {
    our (%K, %ANSWER);
    my %ASSIGNOR = (range => 0, roundrobin => 1, sticky => 2);
    my %START = (nowhere => 0, earliest => 1, latest => 2);

    $ANSWER{COMMIT} = sub ($r) { () };
    my %GROUP = (
        list => [ 0, sub ($r) { (groups => _items($r, qw(id block type block state u8 members varint))) } ],
        describe => [ 1, sub ($r) {
            my %h = $r->fields(qw(state u8 generation zigzag type block protocol block members varint));
            (%h, list => _items($r, qw(id block instance block client block host block partitions zigzag)));
        } ],
        offsets => [ 2, sub ($r) { (positions => _items($r, qw(topic block partition varint committed zigzag high_watermark zigzag member block))) } ],
        set => [ 3, sub ($r) { () } ],
        delete => [ 4, sub ($r) { () } ],
    );
    $ANSWER{GROUP} = sub ($r, $what) { $GROUP{$what}[1]->($r) };
    sub _items ($r, @fields) { my @all; push @all, { $r->fields(@fields) } while $r->left; \@all }

    # ---- members. `member` has those that live: id, generation, slots => { n => { topic, partition, epoch, at, revoked } }, data => [...], credit, owed
    sub ask_join ($s, $group, $topics, %o) {
        my $credit = $o{credit} // 65536;
        $s->ask(ASSIGN => 0, "\0" . block($group) . block($o{instance} // '') . block($o{client} // '') . chr($ASSIGNOR{ $o{assignor} // 'range' })
            . chr($START{ $o{start} // 'earliest' }) . join('', map { varint($_) } $o{session} // 10000, $o{rebalance} // 10000, $o{auto} // 0, $credit)
            . join('', map { block($_) } @$topics), $credit);
    }
    sub join_answer ($s, $corr) { my $a = $s->answer($corr); $a->{corr} = $corr; $a }
    sub join ($s, @a) { $s->join_answer($s->ask_join(@a)) }
    sub _on_ASSIGN ($s, $r, $flags, $) {
        my $corr = $r->varint;
        my ($m, $ask) = ($s->{member}{$corr}, $s->{waiting}{$corr});
        Rivulet::Reader->bad("news $corr of no member") unless $m || $ask && $ask->[0] eq 'ASSIGN';
        if (my $error = $r->varint) {
            Rivulet::Reader->bad('an error to who has joined') if $m;
            delete $s->{waiting}{$corr};
            $s->{answer}{$corr} = { error => $error, $r->fields(detail => 'zigzag', text => 'block') };
            return;
        }
        my $what = $r->u8;
        Rivulet::Reader->bad('a flag of ASSIGN') if $flags && $what != 1;
        Rivulet::Reader->bad("news $what to a member or before") if $what > 3 || !$what != !$m;
        if ($what == 0) {
            delete $s->{waiting}{$corr};
            $s->{answer}{$corr} = { error => 0, my %h = $r->fields(id => 'block', generation => 'varint') };
            $s->{member}{$corr} = { %h, slots => {}, data => [], credit => $ask->[1], owed => 0, told => 0 };
        } elsif ($what == 1) {
            $m->{generation} = $r->varint;
            $m->{told}++ unless $flags;                                 # generations whose assignment is whole
            while ($r->left) {
                my %p = $r->fields(qw(slot varint topic block partition varint at zigzag epoch zigzag));
                Rivulet::Reader->bad("slot $p{slot} twice") if $m->{slots}{ $p{slot} };
                $m->{slots}{ delete $p{slot} } = \%p;
            }
        } elsif ($what == 2) {
            $s->_slot($m, $r->varint)->{revoked} = 1 while $r->left;
        } else {
            my $slot = $r->varint;
            my $error = $r->varint;
            my %a = $error ? $r->fields(detail => 'zigzag') : $r->fields(qw(offset varint log_start varint high_watermark varint));
            $s->_slot($m, $slot);
            $m->{sought}{$slot} = { error => $error, %a };
            $s->_sought($m, $slot, $a{offset}) unless $error;
        }
    }
    sub _slot ($s, $m, $slot) { $m->{slots}{$slot} // Rivulet::Reader->bad("slot $slot was never given") }
    sub _sought ($s, $m, $slot, $offset) {                              # DATA from before it: their credit goes back, and they are of no use
        $m->{owed} += $_->{size} for grep { $_->{slot} == $slot } @{ $m->{data} };
        @{ $m->{data} } = grep { $_->{slot} != $slot } @{ $m->{data} };
        $m->{slots}{$slot}{at} = $offset;
        delete $m->{position}{$slot};
    }
    sub _on_member_data ($s, $r, $flags, $corr, $size) {
        my $m = $s->{member}{$corr} or Rivulet::Reader->bad('data of no subscription and no member');
        if ($flags == 1) {
            my $error = $r->varint;
            $s->{ended_member}{$corr} = { error => $error, $error ? $r->fields(detail => 'zigzag', text => 'block') : () };
            delete $s->{member}{$corr};
            return;
        }
        Rivulet::Reader->bad('data of a member without a slot') if $flags != 2;
        my $slot = $r->varint;
        my $p = $s->_slot($m, $slot);
        Rivulet::Reader->bad("data of slot $slot, which is revoked") if $p->{revoked};
        $m->{credit} -= $size;
        my %d = ($r->fields(offset => 'varint', ahead => 'varint'), batches => $r->rest);
        push @{ $m->{data} }, { %d, slot => $slot, size => $size, %$p{qw(topic partition)} };
    }
    sub take ($s, $corr) {                                              # the DATA that came: { slot, topic, partition, offset, end, records }
        my $m = $s->{member}{$corr} or return;
        my @data = splice @{ $m->{data} };
        for (@data) {
            $m->{owed} += $_->{size};
            $_->{end} = $m->{position}{ $_->{slot} } = $m->{slots}{ $_->{slot} }{at} = batches_end($_->{batches});
            $_->{records} = [ records($_->{batches}, $_->{offset}) ];
        }
        @data;
    }
    sub _positions (%p) { CORE::join '', map { varint($_) . varint($p{$_}) } sort { $a <=> $b } keys %p }
    sub grant_member ($s, $corr, $bytes, %positions) {
        my $m = $s->{member}{$corr} or return $s;
        $m->{credit} += $bytes;
        $s->send($K{CREDIT}, %positions ? 2 : 0, varint($bytes) . _positions(%positions), $corr);
    }
    sub processed ($s, $corr) {                                         # all that take() gave, and its credit back
        my $m = $s->{member}{$corr} or return $s;
        my %p = map { %{ delete $_->{position} // {} } } $m;
        my $owed = delete $m->{owed}; $m->{owed} = 0;
        $owed || %p ? $s->grant_member($corr, $owed, %p) : $s;
    }
    sub release ($s, $corr) {                                           # all that was revoked, and what came of it and was not taken
        my $m = $s->{member}{$corr} or return $s;
        my @gone = sort { $a <=> $b } grep { $m->{slots}{$_}{revoked} } keys %{ $m->{slots} } or return $s;
        for my $slot (@gone) {
            $s->_sought($m, $slot, undef);
            delete $m->{slots}{$slot};
        }
        $s->send($K{ASSIGN}, 0, "\2" . CORE::join('', map { varint($_) } @gone), $corr);
    }
    sub topics ($s, $corr, @topics) { $s->send($K{ASSIGN}, 0, "\1" . CORE::join('', map { block($_) } @topics), $corr) }
    sub seek ($s, $corr, $slot, $at) {
        delete $s->{member}{$corr}{sought}{$slot};
        $s->send($K{ASSIGN}, 0, "\3" . varint($slot) . zigzag(_at($at)), $corr);
    }
    sub sought ($s, $corr, $slot) { $s->wait(sub { $s->{member}{$corr}{sought}{$slot} }, 'sought'); $s->{member}{$corr}{sought}{$slot} }
    sub leave ($s, $corr, %positions) {                                 # positions: a last commit. The end, as told
        $s->send($K{CREDIT}, %positions ? 3 : 1, _positions(%positions), $corr) if $s->{member}{$corr};
        $s->member_end($corr);
    }
    sub member_end ($s, $corr, @timeout) { $s->wait(sub { $s->{ended_member}{$corr} }, 'end of the member', @timeout); delete $s->{ended_member}{$corr} }

    # ---- requests
    sub commit_slots ($s, $corr, @entries) {                            # [ slot, offset, metadata ] ...
        $s->answer($s->ask(COMMIT => 1, varint($corr) . CORE::join '', map { varint($_->[0]) . varint($_->[1]) . block($_->[2] // '') } @entries));
    }
    sub commit_group ($s, $group, @entries) {                           # [ topic, partition, offset, metadata, epoch ] ...
        $s->answer($s->ask(COMMIT => 0, block($group)
            . CORE::join '', map { block($_->[0]) . varint($_->[1]) . varint($_->[2]) . zigzag($_->[4] // -1) . block($_->[3] // '') } @entries));
    }
    sub group ($s, $what, $body) { $s->answer($s->ask(GROUP => 0, chr($GROUP{$what}[0]) . $body, $what)) }
    sub group_list ($s, $after = '', $max = 0) { $s->group(list => block($after) . varint($max)) }
    sub group_describe ($s, $group, $first = 0, $max = 0) { $s->group(describe => block($group) . varint($first) . varint($max)) }
    sub group_offsets ($s, $group, $topic = '', $partition = 0, $max = 0) { $s->group(offsets => block($group) . block($topic) . varint($partition) . varint($max)) }
    sub group_set ($s, $group, @topics) {                               # [ topic, [ partition, offset ] ... ] ..., -1 = forget
        $s->group(set => block($group) . CORE::join '', map {
            my ($topic, @p) = @$_;
            block($topic) . varint(scalar @p) . CORE::join '', map { varint($_->[0]) . zigzag($_->[1]) } @p;
        } @topics);
    }
    sub group_delete ($s, $group) { $s->group(delete => block($group)) }
}

1;
