"""A film over WebSocket as ONVIF's streaming specification has it: RTSP and its interleaved packets in binary frames.

Prints the packets, those that are missing, the pictures (by the marker), and whether the goodbye came.
"""

import asyncio
import sys

import websockets

URL = sys.argv[1]  # rtsp://host:port/name


class Player:
    def __init__(self, socket):
        self.socket = socket
        self.bytes = b""
        self.cseq = 0
        self.session = None
        self.frames = []

    async def ask(self, method, url, *fields):
        self.cseq += 1
        fields = list(fields) + ([f"Session: {self.session}"] if self.session else [])
        text = "\r\n".join([f"{method} {url} RTSP/1.0", f"CSeq: {self.cseq}", *fields, "", ""])
        # In two frames: they need not keep to messages' borders.
        await self.socket.send(text[:9].encode())
        await self.socket.send(text[9:].encode())
        while True:
            channel, answer = await self.next()
            if channel is None:
                break
            self.frames.append((channel, answer))
        head, _, body = answer.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        assert lines[0].split()[1] == "200", lines
        values = dict(line.split(": ", 1) for line in lines[1:])
        if "Session" in values:
            self.session = values["Session"].split(";")[0]
        return values, body.decode()

    async def next(self):
        """An interleaved packet with its channel, or an answer."""
        while True:
            if self.bytes[:1] == b"$" and len(self.bytes) >= 4:
                end = 4 + int.from_bytes(self.bytes[2:4], "big")
                if len(self.bytes) >= end:
                    channel, packet, self.bytes = self.bytes[1], self.bytes[4:end], self.bytes[end:]
                    return channel, packet
            elif b"\r\n\r\n" in self.bytes and self.bytes[:1] != b"$":
                end = self.bytes.index(b"\r\n\r\n") + 4
                for line in self.bytes[:end].decode().split("\r\n"):
                    if line.lower().startswith("content-length:"):
                        end += int(line.split(":")[1])
                if len(self.bytes) >= end:
                    answer, self.bytes = self.bytes[:end], self.bytes[end:]
                    return None, answer
            self.bytes += await asyncio.wait_for(self.socket.recv(), 10)


async def play():
    address = URL.replace("rtsp://", "ws://", 1)
    async with websockets.connect(address, subprotocols=["rtsp.onvif.org"]) as socket:
        assert socket.subprotocol == "rtsp.onvif.org", socket.subprotocol
        await (await socket.ping())
        player = Player(socket)
        await player.ask("OPTIONS", URL)
        values, description = await player.ask("DESCRIBE", URL, "Accept: application/sdp")
        control = [line for line in description.splitlines() if line.startswith("a=control:")][-1][10:]
        track = control if "://" in control else values["Content-Base"] + control
        await player.ask("SETUP", track, "Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
        await player.ask("PLAY", URL, "Range: npt=0-")
        sequences, pictures, bye = [], 0, False
        while not bye:
            channel, packet = player.frames.pop(0) if player.frames else await player.next()
            if channel == 0:
                sequences.append(int.from_bytes(packet[2:4], "big"))
                pictures += packet[1] >> 7
            elif channel == 1:
                bye = b"\x81\xcb" in packet
        await player.ask("TEARDOWN", URL)
        steps = [(after - before) % 65536 for before, after in zip(sequences, sequences[1:])]
        print(len(sequences), sum(step - 1 for step in steps), pictures, bye)


asyncio.run(play())
