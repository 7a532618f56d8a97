"""Judges a history of real clients against one topic of one broker, from outside: what was invoked, what was answered, what was read, all by one monotonic clock.

An event is a dictionary with "op" and times in seconds. A value is (producer, number): a producer is one session, whose numbers ascend.
  send      producer partition number t0 t1 status offset    status: ok, refused (will never be stored), unknown; offset: None where the client is not told; t1 of unknown: None
  read      reader partition offset producer number t        in the order in which the reader was given them
  seek      reader partition offset t                        the reader goes on from there; the first read of a partition needs none
  end       partition offset t0 t1                           asked for the latest offset
  assigned  group member partition offset t0 t1              offset: what the member was told is committed, -1 for nothing; it begins there
  commit    group member partition offset t0 t1 status       status: ok, unknown (an error may be the answer to a repeat of one that was taken)
  committed group partition offset t0 t1                     asked for the committed offset
  final     partition offset producer number t               the whole partition, read when all is over; `finals` names the partitions that were read to their end
  trouble   what t                                           something a client should never be told
A member of a group reads as reader "GROUP/MEMBER". Events of one reader have an "index", by which they follow each other.

Checked: inconsistent offsets, lost writes, duplicates, reads of what was refused or never sent or not yet sent, order of each producer and of sends that did not overlap,
gaps, readers that skip or go back, an end that goes back or hides what is acknowledged, commits lost, gone back or made up, members that begin elsewhere than at what is
committed, records that no member of a group was given.
"""

import bisect
import collections


class Newest:
    """The largest offset among answers that were there before a time."""

    def __init__(self, pairs):
        self.times, self.largest = [], []
        for time, offset in sorted(pairs):
            self.times.append(time)
            self.largest.append(max(offset, self.largest[-1] if self.largest else -1))

    def before(self, time):
        at = bisect.bisect_left(self.times, time)
        return self.largest[at - 1] if at else -1


def by(events, *keys):
    found = collections.defaultdict(list)
    for event in events:
        found[tuple(event[k] for k in keys)].append(event)
    return found


class Checker:
    def __init__(self, events, finals):
        self.found = []
        self.of = collections.defaultdict(list)
        for event in events:
            self.of[event["op"]].append(event)
        self.finals = finals
        self.sends = {(e["producer"], e["number"]): e for e in self.of["send"]}
        self.log = {p: {} for p in finals}  # partition -> offset -> value
        self.where = {}                     # value -> (partition, offset)

    def wrong(self, kind, what):
        self.found.append((kind, what))

    def check(self):
        self.check_final()
        for part in (self.check_values, self.check_sends, self.check_order, self.check_readers, self.check_ends, self.check_commits, self.check_groups, self.check_trouble):
            part()
        return self.found

    def check_final(self):
        for event in self.of["final"]:
            value, place = (event["producer"], event["number"]), (event["partition"], event["offset"])
            log = self.log[event["partition"]]
            if event["offset"] in log:
                self.wrong("inconsistent offset", f"{place} is {log[event['offset']]} and {value}")
            log[event["offset"]] = value
            if value in self.where:
                self.wrong("duplicate", f"{value} at {self.where[value]} and {place}")
            self.where[value] = place
        for partition, log in self.log.items():
            if sorted(log) != list(range(len(log))):
                missing = next(o for o in range(len(log)) if o not in log)
                self.wrong("gap", f"partition {partition} has {len(log)} records, none at {missing}")

    def check_values(self):
        """Whoever read it, an offset has one value, that somebody had begun to send before."""
        seen = {}
        for event in self.of["read"] + self.of["final"]:
            value, place = (event["producer"], event["number"]), (event["partition"], event["offset"])
            if seen.setdefault(place, value) != value:
                self.wrong("inconsistent offset", f"{place} was read as {seen[place]} and {value}")
            if place not in [self.where.get(value), None] and event["op"] == "read":
                self.wrong("inconsistent offset", f"{value} was read at {place}, and is at {self.where.get(value)} at the end")
            send = self.sends.get(value)
            if not send:
                self.wrong("phantom", f"{value} at {place} was never sent")
            elif send["status"] == "refused":
                self.wrong("read of a refused send", f"{value} at {place}")
            elif event["t"] < send["t0"]:
                self.wrong("phantom", f"{value} at {place} was read before it was sent")
            elif send["partition"] != event["partition"]:
                self.wrong("wrong partition", f"{value} was sent to {send['partition']} and is at {place}")

    def check_sends(self):
        for value, send in self.sends.items():
            if send["status"] != "ok":
                continue
            place = self.where.get(value)
            if place is None:
                self.wrong("lost write", f"{value}, acknowledged at {send['t1']:.3f}")
            elif send["offset"] is not None and place != (send["partition"], send["offset"]):
                self.wrong("inconsistent offset", f"{value} was acknowledged at {send['offset']} and is at {place}")

    def check_order(self):
        for (producer, partition), sends in by(self.sends.values(), "producer", "partition").items():
            last = (-1, -1)
            for send in sorted(sends, key=lambda s: s["number"]):
                place = self.where.get((producer, send["number"]))
                if place is None or place[0] != partition:
                    continue
                if place[1] < last[0]:
                    self.wrong("order of a producer", f"{producer} has {send['number']} at {place} behind {last[1]} at {last[0]}")
                last = max(last, (place[1], send["number"]))
        # What was acknowledged before something else was sent stands before it, whoever sent them.
        for (partition,), sends in by(self.sends.values(), "partition").items():
            placed = [(s, self.where[v]) for s in sends if (v := (s["producer"], s["number"])) in self.where]
            acked = Newest((s["t1"], place[1]) for s, place in placed if s["status"] == "ok")
            for send, place in placed:
                if acked.before(send["t0"]) > place[1]:
                    self.wrong("order in time", f"{send['producer']} {send['number']} at {place} was sent after {acked.before(send['t0'])} was acknowledged")

    def check_readers(self):
        position = {}
        for event in self.of["assigned"]:
            event["reader"] = f"{event['group']}/{event['member']}"
        for event in sorted(self.of["assigned"] + self.of["seek"] + self.of["read"], key=lambda e: (e["reader"], e["index"])):
            key = (event["reader"], event["partition"])
            if event["op"] != "read":
                position[key] = max(event["offset"], 0)
                continue
            expected = position.get(key, event["offset"])
            if event["offset"] < expected:
                self.wrong("read went back", f"{key} was given {event['offset']} in place of {expected}")
            elif event["offset"] > expected:
                self.wrong("read skipped", f"{key} was given {event['offset']} in place of {expected}")
            position[key] = event["offset"] + 1

    def check_ends(self):
        for (partition,), ends in by(self.of["end"], "partition").items():
            known = [(s["t1"], self.where[v][1] + 1) for v, s in self.sends.items() if s["status"] == "ok" and v in self.where and self.where[v][0] == partition]
            known += [(e["t1"], e["offset"]) for e in ends]
            known += [(e["t"], e["offset"] + 1) for e in self.of["read"] if e["partition"] == partition]
            newest = Newest(known)
            for end in ends:
                if newest.before(end["t0"]) > end["offset"]:
                    self.wrong("end went back", f"partition {partition} ended at {end['offset']} at {end['t0']:.3f}, {newest.before(end['t0'])} was known before")
                if partition in self.log and end["offset"] > len(self.log[partition]):
                    self.wrong("end beyond the log", f"partition {partition} ended at {end['offset']}, it has {len(self.log[partition])} records")

    def check_commits(self):
        """A commit answered, or told to anybody, holds from then on."""
        for (group, partition), told in by(self.of["committed"] + self.of["assigned"], "group", "partition").items():
            commits = [c for c in self.of["commit"] if (c["group"], c["partition"]) == (group, partition)]
            newest = Newest([(e["t1"], e["offset"]) for e in told] + [(c["t1"], c["offset"]) for c in commits if c["status"] == "ok"])
            for commit in commits:
                if commit["status"] == "ok" and newest.before(commit["t0"]) > commit["offset"]:
                    self.wrong("commit went back", f"{group} {partition}: {commit['offset']} by {commit['member']} after {newest.before(commit['t0'])}")
            for event in told:
                if event["offset"] < newest.before(event["t0"]):
                    self.wrong("commit lost", f"{group} {partition}: {event['offset']} was told at {event['t0']:.3f} after {newest.before(event['t0'])}")
                if event["offset"] >= 0 and not any(c["offset"] == event["offset"] and c["t0"] <= event["t1"] for c in commits):
                    self.wrong("commit of nobody", f"{group} {partition}: {event['offset']} was told, nobody had committed it")

    def check_groups(self):
        """At least once: each record to some member."""
        given = collections.defaultdict(set)
        for read in self.of["read"]:
            given[read["reader"].partition("/")[0]].add((read["partition"], read["offset"]))
        for group in {e["group"] for e in self.of["assigned"]}:
            for partition in self.finals:
                missing = [o for o in self.log[partition] if (partition, o) not in given[group]]
                if missing:
                    self.wrong("not delivered", f"{group} was not given {len(missing)} records of partition {partition}, the first at {min(missing)}")

    def check_trouble(self):
        for event in self.of["trouble"]:
            self.wrong("trouble", f"{event['what']} at {event['t']:.3f}")


def check(events, finals):
    """A list of (kind, what). Empty: nothing is wrong."""
    return Checker(events, finals).check()
