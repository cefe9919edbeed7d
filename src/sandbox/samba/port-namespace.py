"""Runs a program that listens on the fixed ports 389 and 636 in a network of its own, and relays two ports of this one to them.

port-namespace.py LDAP_PORT LDAPS_PORT PROGRAM [ARGUMENT...]

For machines without a compiler. The sockets are made before the new network and keep belonging to the old one, so that one process
can accept here and connect there. The program becomes this process; the relay is its child, and dies with it.
"""

import asyncio
import ctypes
import fcntl
import os
import signal
import socket
import struct
import sys
import time

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
SIOCGIFFLAGS = 0x8913
SIOCSIFFLAGS = 0x8914
IFF_UP = 0x1

libc = ctypes.CDLL(None, use_errno=True)


def succeed(result):
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def listener(port):
    """The relay of a server that was killed may need a moment to die and let go of the port."""
    deadline = time.monotonic() + 5
    while True:
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", port))
            listening.listen(128)
            return listening
        except OSError:
            listening.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = fcntl.ioctl(any_socket, SIOCGIFFLAGS, struct.pack("16sh14x", b"lo", 0))
        (flags,) = struct.unpack_from("h", request, 16)
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


async def pump(reader, writer):
    try:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()
    except OSError:
        # One side was reset: the other must not be told that it ended well.
        writer.transport.abort()


async def relay(reader, writer, port):
    try:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        writer.transport.abort()
        return
    await asyncio.gather(pump(reader, there_writer), pump(there_reader, writer))
    for one in (writer, there_writer):
        one.close()


async def serve(listeners):
    servers = [
        await asyncio.start_server(lambda reader, writer, port=port: relay(reader, writer, port), sock=listening)
        for port, listening in listeners
    ]
    await asyncio.gather(*(server.serve_forever() for server in servers))


def main():
    listeners = [(389, listener(int(sys.argv[1]))), (636, listener(int(sys.argv[2])))]
    succeed(libc.unshare(CLONE_NEWNET))
    loopback_up()
    program = os.getpid()
    if os.fork() == 0:
        succeed(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))
        if os.getppid() == program:
            asyncio.run(serve(listeners))
        os._exit(0)
    # Python's sockets close when the program takes over; the child keeps its own.
    os.execvp(sys.argv[3], sys.argv[3:])


main()
