"""A second implementation of the protocol, in Python, from the wire contract alone.

Runs the story of docs/protocol.md against a server with an empty chat and checks what each
participant hears, and each Lamport number, by a clock of its own.

    client.py ADDRESS                             in plain text; ADDRESS may be unix:PATH
    client.py ADDRESS SERVER CERTIFICATE KEY      by TLS, as a device; these are files in PEM
"""

import secrets
import sys
import threading
import time
import unicodedata

import grpc
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from chitty.v1 import chitty_pb2 as pb
from chitty.v1 import chitty_pb2_grpc as rpc

PATIENCE = 20


class Way:
    """How the server is reached."""

    def __init__(self, address, server=None, certificate=None, key=None):
        self.address = address
        self.credentials = server and grpc.ssl_channel_credentials(
            read(server), read(key), read(certificate)
        )

    def channel(self):
        options = [("grpc.use_local_subchannel_pool", 1)]
        if self.credentials:
            # The name in the certificate of each server, whatever its host is called.
            options.append(("grpc.ssl_target_name_override", "chitty-chat"))
            return grpc.secure_channel(self.address, self.credentials, options=options)
        if self.address.startswith("unix:"):
            # Otherwise gRPC sends the path, which is no authority of HTTP/2.
            options.append(("grpc.default_authority", "localhost"))
        return grpc.insecure_channel(self.address, options=options)


def read(path):
    with open(path, "rb") as file:
        return file.read()


class Clock:
    """Lamport's clock, as the protocol has it."""

    def __init__(self):
        self.now = 0

    def tick(self):
        self.now += 1
        return self.now

    def receive(self, time):
        self.now = max(self.now, time) + 1
        return self.now

    def observe(self, time):
        self.now = max(self.now, time)


class Participant:
    """One client with a channel, a session and a stream of its own."""

    def __init__(self, way, name):
        self.channel = way.channel()
        self.stub = rpc.ChittyChatStub(self.channel)
        self.name = name
        self.session = secrets.token_urlsafe(24)
        self.clock = Clock()
        self.events = []
        self.end = None
        self.arrived = threading.Condition()

    def join(self, **fields):
        request = pb.JoinRequest(
            name=self.name, session=self.session, lamport=self.clock.tick(), **fields
        )
        stream = self.stub.Join(request)
        first = next(stream)
        assert first.WhichOneof("kind") == "welcome", first
        with self.arrived:
            # An older stream's end, which may still come, is not this one's.
            self.stream, self.end = stream, None
            self.welcome = first.welcome
            self.clock.observe(self.welcome.lamport)
        threading.Thread(target=self.follow, args=(stream,), daemon=True).start()
        return self

    def follow(self, stream):
        """The only reader of this stream: grpcio allows no second one."""
        end = None
        try:
            for broadcast in stream:
                kind = broadcast.WhichOneof("kind")
                with self.arrived:
                    if kind == "event":
                        event = broadcast.event
                        if event.position >= self.welcome.position:
                            self.clock.receive(event.lamport)
                        else:
                            self.clock.observe(event.lamport)
                        self.events.append(event)
                    else:
                        end = broadcast.closing
                    self.arrived.notify_all()
            code = grpc.StatusCode.OK
        except grpc.RpcError as error:
            code = error.code()
        with self.arrived:
            if stream is self.stream:
                self.end = (code, end)
                self.arrived.notify_all()

    def wait_for(self, count):
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.events) >= count, PATIENCE), (
                self.name, count, self.events)
            return self.events[count - 1]

    def wait_until(self, position):
        """Waits until the event at this position is here."""
        with self.arrived:
            there = lambda: self.events and self.events[-1].position >= position
            assert self.arrived.wait_for(there, PATIENCE), (self.name, position, self.events)

    def wait_for_end(self):
        with self.arrived:
            assert self.arrived.wait_for(lambda: self.end is not None, PATIENCE), self.name
            return self.end

    def publish(self, text, **fields):
        fields.setdefault("lamport", self.clock.tick())
        fields.setdefault("id", secrets.token_urlsafe(16))
        fields.setdefault("session", self.session)
        reply = self.stub.Publish(pb.PublishRequest(text=text, **fields), timeout=PATIENCE)
        self.clock.observe(reply.lamport)
        return reply

    def leave(self):
        request = pb.LeaveRequest(session=self.session, lamport=self.clock.tick())
        return self.stub.Leave(request, timeout=PATIENCE), request


def sentence(event):
    kind = event.WhichOneof("kind")
    return f"Participant {getattr(event, kind).name} {kind} Chitty-Chat at Lamport time {event.lamport}"


def refused(call, code, field=None):
    try:
        call()
    except grpc.RpcError as error:
        assert error.code() == code, (error.code(), error.details(), code)
        if field is not None:
            status = rpc_status.from_call(error)
            bad = error_details_pb2.BadRequest()
            assert any(detail.Unpack(bad) for detail in status.details), status
            assert bad.field_violations[0].field == field, bad
        return error
    raise AssertionError(f"not refused with {code}")


def tell_the_story(way):
    ada = Participant(way, "ada").join()
    ada.wait_for(1)
    assert (ada.events[0].lamport, ada.clock.now) == (3, 4)
    assert sentence(ada.events[0]) == "Participant ada joined Chitty-Chat at Lamport time 3"
    bob = Participant(way, "bob").join()
    ada.wait_for(2)
    eve = Participant(way, "eve").join()
    for participant, count in ((ada, 3), (bob, 2), (eve, 1)):
        assert participant.wait_for(count).lamport == 7
        assert participant.clock.now == 8, participant.clock.now
    assert [p.name for p in eve.welcome.participants] == ["ada", "bob", "eve"]

    assert ada.publish("hello, all", seen=3).lamport == 11
    for participant, count in ((ada, 4), (bob, 3), (eve, 2)):
        message = participant.wait_for(count).message
        assert (message.author, message.text, message.seen) == ("ada", "hello, all", 3)
        assert participant.clock.now == 12
    assert bob.publish("hi, ada", seen=4).lamport == 15
    for participant, count in ((ada, 5), (bob, 4), (eve, 3)):
        assert participant.wait_for(count).lamport == 15
        assert participant.clock.now == 16

    reply, request = eve.leave()
    assert reply.lamport == 19
    assert eve.wait_for_end() == (grpc.StatusCode.OK, None)
    assert eve.stub.Leave(request) == reply
    assert sentence(ada.wait_for(6)) == "Participant eve left Chitty-Chat at Lamport time 19"
    bob.wait_for(5)
    return ada, bob, eve


def check_refusals(ada, eve):
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    for text in ("", " \t\n", "x" * 129, "\x07", "\x1b[2J"):
        refused(lambda text=text: ada.publish(text), invalid, "text")
    refused(lambda: ada.publish("hi", id="short"), invalid, "id")
    refused(lambda: ada.publish("hi", seen=99999), invalid, "seen")
    refused(lambda: ada.publish("hi", lamport=2**63), invalid, "lamport")
    refused(lambda: ada.publish("hi", lamport=0), invalid, "lamport")
    refused(lambda: eve.publish("hi"), grpc.StatusCode.UNAUTHENTICATED)
    raw = ada.channel.unary_unary("/chitty.v1.ChittyChat/Publish")
    refused(lambda: raw(b"\x12\x02\xff\xfe"), invalid, "text")


def check_messages(ada, bob):
    before = len(ada.events)
    texts = ["x" * 128, "Æ" * 128, "🦀" * 128, "two\nlines", "/me waves", "שלום", "e\u0301"]
    for text in texts:
        ada.publish(text)
    ada.wait_for(before + len(texts))
    heard = [event.message.text for event in ada.events[before:]]
    assert heard == texts, heard
    assert unicodedata.normalize("NFC", heard[-1]) != heard[-1], "nothing is changed on the way"
    identity, lamport = secrets.token_urlsafe(16), ada.clock.tick()
    first = ada.publish("once", id=identity, lamport=lamport)
    assert ada.publish("once", id=identity, lamport=lamport) == first
    refused(lambda: ada.publish("twice", id=identity), grpc.StatusCode.ALREADY_EXISTS)
    for participant in (ada, bob):
        participant.wait_until(first.position)
    assert ada.events[-7:] == bob.events[-7:]


def check_names(way):
    def attempt(name):
        return lambda: Participant(way, name).join()

    for name in ("ada", "ADA", "\u0430da"):
        refused(attempt(name), grpc.StatusCode.ALREADY_EXISTS)
    for name in ("", " x", "x ", "a  b", "x" * 33, "a\u200bb", "a\u202eb", "server", "System"):
        refused(attempt(name), grpc.StatusCode.INVALID_ARGUMENT, "name")
    refused(
        lambda: Participant(way, "joe").join(room="elsewhere"), grpc.StatusCode.NOT_FOUND)


def check_coming_back(ada, bob):
    """bob's stream breaks, and he comes back from where he was: nobody hears of it."""
    last = bob.events[2]
    bob.stream.cancel()
    expected = ada.publish("while bob is away").position
    older = [event for event in bob.events if event.position <= last.position]
    bob.events = older
    bob.join(resume=pb.Resume(position=last.position, lamport=last.lamport, epoch=bob.welcome.epoch))
    assert bob.welcome.resumed and bob.welcome.next == last.position + 1, bob.welcome
    bob.wait_until(expected)
    positions = [event.position for event in bob.events]
    assert positions == list(range(positions[0], positions[-1] + 1)), positions
    assert bob.events[-1].message.text == "while bob is away"
    # A second stream of the same session takes the first one over.
    again = bob.stub.Join(pb.JoinRequest(session=bob.session, lamport=bob.clock.tick()))
    assert next(again).welcome.resumed
    code, closing = bob.wait_for_end()
    assert code == grpc.StatusCode.ABORTED, code
    assert closing.reason == pb.Closing.TAKEN_OVER, closing
    again.cancel()


def check_history(ada):
    reply = ada.stub.History(pb.HistoryRequest(session=ada.session, limit=3, after=1))
    assert [event.position for event in reply.events] == [2, 3, 4]
    assert not reply.start
    reply = ada.stub.History(pb.HistoryRequest(session=ada.session, before=3))
    assert [event.position for event in reply.events] == [1, 2] and reply.start
    reply = ada.stub.History(pb.HistoryRequest(session=ada.session, at_lamport=11, limit=1))
    assert reply.events[0].lamport == 11


def check_loss(ada):
    """bob was cancelled above and does not come back."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if any(event.left.reason == pb.Left.LOST for event in ada.events):
            return
        time.sleep(0.05)
    raise AssertionError("bob was never announced as lost")


def check_probes(way):
    health = health_pb2_grpc.HealthStub(way.channel())
    reply = health.Check(health_pb2.HealthCheckRequest(service="chitty.v1.ChittyChat"))
    assert reply.status == health_pb2.HealthCheckResponse.SERVING


def main():
    way = Way(*sys.argv[1:])
    check_probes(way)
    ada, bob, eve = tell_the_story(way)
    check_refusals(ada, eve)
    check_messages(ada, bob)
    check_names(way)
    check_coming_back(ada, bob)
    check_history(ada)
    check_loss(ada)
    times = [event.lamport for event in ada.events]
    assert times == sorted(set(times)), "times rise strictly"
    print(f"conformance: the Python client and the server agree, over {way.address}")


if __name__ == "__main__":
    main()
