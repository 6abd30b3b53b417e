# SPDX-License-Identifier: BSD-2-Clause
"""A virtio network card whose other end is this program: honest, or lying.

QEMU gives the rings of its virtio-net device to another process by the vhost-user protocol. Here
that process is the test: it sees every descriptor, delivers frames to the pair of queues that it
likes, takes what the machine sends, and can put anything at all into the used rings.

    card = Card(pairs=2)
    m = boot(args=card.args, ...)
    card.deliver(1, frame)                 # to the second pair
    pair, frame = card.take()              # what the machine sent
    card.lie(0, 'id')                      # a used entry that cannot be

Source: QEMU's docs/interop/vhost-user.rst; VIRTIO 1.2, 2.7 and 5.1.
"""

import collections
import ctypes
import mmap
import os
import selectors
import socket
import struct
import tempfile
import threading
import time

F_PROTOCOL = 1 << 30
F_VERSION_1 = 1 << 32
F_CSUM = 1 << 0
F_GUEST_CSUM = 1 << 1
F_MRG_RXBUF = 1 << 15
F_MQ = 1 << 22
PROTOCOL_MQ = 1 << 0

(GET_FEATURES, SET_FEATURES, SET_OWNER, _, SET_MEM_TABLE, _, _, SET_VRING_NUM, SET_VRING_ADDR,
 SET_VRING_BASE, GET_VRING_BASE, SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR,
 GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, GET_QUEUE_NUM, SET_VRING_ENABLE) = range(1, 19)

NEXT, WRITE = 1, 2
HEADER = 12
NEEDS_CSUM, DATA_VALID = 1, 2           # flags of a header


def finished(header, frame):
    """A frame as it would go out: with the sum that the machine left to the card."""
    flags, gso, _, size, start, offset, _ = struct.unpack('<BBHHHHH', header)
    assert gso == size == 0
    if flags == 0:
        assert header == bytes(HEADER), f'header {header.hex()}'
        return frame
    at = start + offset
    assert flags == NEEDS_CSUM and 14 < start < at <= len(frame) - 2, f'header {header.hex()}'
    data = frame[start:] + bytes(len(frame) - start & 1)
    total = sum(struct.unpack(f'>{len(data) // 2}H', data))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return frame[:at] + struct.pack('>H', ~total & 0xffff or 0xffff) + frame[at + 2:]


class Ring:
    """One virtqueue, as the device has it."""

    def __init__(self):
        self.num = self.desc = self.avail = self.used = 0
        self.taken = self.given = 0
        self.kick = self.call = None
        self.enabled = False
        self.armed = False      # `call` is that of this start, not of one before
        self.starts = 0         # how often the machine began to use it

    def ready(self):
        return self.desc != 0 and self.kick is not None and self.armed


class Card:
    """The device. `pairs` is how many pairs of queues; `mem` what the machine has, in MB; `port`
    puts it behind a root port, whose slot can be switched off (unplug()); `features` are offered
    beside those that it cannot be without."""

    def __init__(self, pairs=1, mem=256, vectors=None, port=False,
                 features=F_CSUM | F_GUEST_CSUM | F_MRG_RXBUF):
        self.pairs = pairs
        self.offered = F_PROTOCOL | F_VERSION_1 | F_MQ | features
        self.summed = 0                         # frames whose sum was left to us
        self.lock = threading.Condition()
        self.rings = [Ring() for _ in range(2 * pairs)]
        self.regions = []
        self.sent = collections.deque()         # (pair, frame) that the machine sent
        self.hold = False                       # leave what it sends lying in the ring
        self.corrupt = None                     # the next lie, told when it sends
        self.features = 0
        self.directory = tempfile.mkdtemp(prefix='ithaca.')
        self.path = os.path.join(self.directory, 'vhost')
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(1)
        self.stop_r, self.stop_w = os.pipe()
        if vectors is None:
            vectors = pairs + 1
        self.args = ['-object', f'memory-backend-memfd,id=ram,size={mem}M,share=on',
                     '-machine', 'memory-backend=ram',
                     '-chardev', f'socket,id=vhost,path={self.path}',
                     '-netdev', f'vhost-user,id=net0,chardev=vhost,queues={pairs}',
                     '-device', 'virtio-net-pci,netdev=net0,mac=52:54:00:12:34:56,'
                     f'mq={"on" if pairs > 1 else "off"},vectors={vectors},id=nic0'
                     + (',bus=hotslot' if port else ',addr=2')]
        if port:
            self.args[-2:-2] = ['-device', 'pcie-root-port,id=hotslot,addr=6,slot=1']
        self.error = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    # ---- the protocol ----

    def _run(self):
        try:
            self._serve()
        except Exception as e:      # pylint: disable=broad-except
            with self.lock:
                self.error = e
                self.lock.notify_all()

    def _serve(self):
        self.listener.settimeout(120)
        sock, _ = self.listener.accept()
        sock.setblocking(True)
        self.selector = selectors.DefaultSelector()
        self.selector.register(sock, selectors.EVENT_READ, None)
        self.selector.register(self.stop_r, selectors.EVENT_READ, 'stop')
        while True:
            for key, _ in self.selector.select():
                if key.data == 'stop':
                    sock.close()
                    return
                with self.lock:
                    if key.data is None:
                        if not self._message(sock):
                            sock.close()
                            return
                    else:
                        self._kicked(key.data)

    def _message(self, sock):
        head, fds, _, _ = socket.recv_fds(sock, 12, 8)
        if len(head) < 12:
            return False
        request, flags, size = struct.unpack('<III', head)
        body = b''
        while len(body) < size:
            body += sock.recv(size - len(body))
        answer = self._request(request, body, fds)
        if answer is not None:
            sock.sendall(struct.pack('<III', request, flags & 3 | 4, len(answer)) + answer)
        return True

    def _request(self, request, body, fds):
        if request == GET_FEATURES:
            return struct.pack('<Q', self.offered)
        if request == GET_PROTOCOL_FEATURES:
            return struct.pack('<Q', PROTOCOL_MQ)
        if request == GET_QUEUE_NUM:
            return struct.pack('<Q', self.pairs)
        if request == SET_FEATURES:
            self.features, = struct.unpack('<Q', body)
        elif request == SET_MEM_TABLE:
            self._memory(body, fds)
        elif request == SET_VRING_NUM:
            index, num = struct.unpack('<II', body)
            self.rings[index].num = num
        elif request == SET_VRING_ADDR:
            index, _, desc, used, avail, _ = struct.unpack('<IIQQQQ', body)
            ring = self.rings[index]
            ring.desc, ring.used, ring.avail = desc, used, avail
        elif request == SET_VRING_BASE:
            index, base = struct.unpack('<II', body)
            self.rings[index].taken = self.rings[index].given = base
        elif request == GET_VRING_BASE:
            index, _ = struct.unpack('<II', body)
            return struct.pack('<II', index, self._stop(index))
        elif request in (SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR):
            self._eventfd(request, struct.unpack('<Q', body)[0], fds)
        elif request == SET_VRING_ENABLE:
            index, on = struct.unpack('<II', body)
            self.rings[index].enabled = on != 0
            self._kicked(index)
        self.lock.notify_all()
        return None

    def _memory(self, body, fds):
        for _, _, memory, _ in self.regions:
            memory.close()
        self.regions = []
        count, = struct.unpack_from('<I', body)
        for i in range(count):
            phys, size, user, offset = struct.unpack_from('<QQQQ', body, 8 + 32 * i)
            memory = mmap.mmap(fds[i], size + offset)
            os.close(fds[i])
            self.regions.append((phys, user, memory, (size, offset)))

    def _stop(self, index):
        ring = self.rings[index]
        if ring.kick is not None:
            self.selector.unregister(ring.kick)
            os.close(ring.kick)
        ring.kick = None
        ring.enabled = ring.armed = False
        ring.desc = 0
        return ring.taken & 0xffff

    def _eventfd(self, request, value, fds):
        ring = self.rings[value & 0xff]
        fd = fds[0] if fds else None
        if request == SET_VRING_CALL:
            if ring.call is not None:
                os.close(ring.call)
            ring.call = fd
            ring.armed = ring.kick is not None
            self._kicked(value & 0xff)
        elif request == SET_VRING_KICK:
            if ring.kick is not None:
                self.selector.unregister(ring.kick)
                os.close(ring.kick)
            else:
                ring.starts += 1
            ring.kick = fd
            os.set_blocking(fd, False)
            self.selector.register(fd, selectors.EVENT_READ, value & 0xff)
        elif fd is not None:
            os.close(fd)

    # ---- memory and rings; the lock is held ----

    def _at(self, address, user):
        for phys, base, memory, (size, offset) in self.regions:
            start = base if user else phys
            if start <= address < start + size:
                return memory, address - start + offset
        raise ValueError(f'no memory at 0x{address:x}')

    def _get(self, form, address, user=True):
        memory, at = self._at(address, user)
        return struct.unpack_from(form, memory, at)

    def _put(self, form, address, *values):
        memory, at = self._at(address, True)
        struct.pack_into(form, memory, at, *values)

    # Indices and flags: in one access each, which struct's are not (it clears what it writes to).

    def _word(self, address):
        return ctypes.c_uint16.from_buffer(*self._at(address, True)).value

    def _set_word(self, address, value):
        ctypes.c_uint16.from_buffer(*self._at(address, True)).value = value

    def _waiting(self, ring):
        idx = self._word(ring.avail + 2)
        return (idx - ring.taken) & 0xffff

    def _take(self, ring):
        """The next chain: its head, and its pieces (memory, offset, length, flags)."""
        head = self._word(ring.avail + 4 + 2 * (ring.taken % ring.num))
        ring.taken += 1
        pieces, at = [], head
        while True:
            address, length, flags, following = self._get('<QIHH', ring.desc + 16 * at)
            pieces.append((*self._at(address, False), length, flags))
            if not flags & NEXT:
                return head, pieces
            at = following
            assert len(pieces) <= ring.num, 'a chain that loops'

    def _give(self, ring, head, length, quiet=False, times=1):
        for _ in range(times):
            self._used(ring, head, length)
        self._shown(ring, quiet)

    def _used(self, ring, head, length):
        self._put('<II', ring.used + 4 + 8 * (ring.given % ring.num), head, length)
        ring.given += 1

    def _shown(self, ring, quiet):
        self._set_word(ring.used + 2, ring.given & 0xffff)
        if not quiet:
            self._interrupt(ring)

    def _interrupt(self, ring):
        flags = self._word(ring.avail)
        if not flags & 1 and ring.call is not None:
            os.write(ring.call, struct.pack('<Q', 1))

    def _kicked(self, index):
        ring = self.rings[index]
        if not ring.ready():
            return
        try:
            os.read(ring.kick, 8)
        except BlockingIOError:
            pass
        if index % 2 == 0 or not ring.enabled:
            return
        while not self.hold and self._waiting(ring) > 0:
            head, pieces = self._take(ring)
            frame = b''.join(m[at:at + n] for m, at, n, _ in pieces)
            assert frame[0] == 0 or self.features & F_CSUM, 'a sum is left that we did not offer'
            self.summed += frame[0] != 0
            self.sent.append((index // 2, finished(frame[:HEADER], frame[HEADER:])))
            if self.corrupt is not None:
                self._lie(ring, head, 0, self.corrupt)
                self.corrupt = None
            else:
                self._give(ring, head, 0)
        self.lock.notify_all()

    def _lie(self, ring, head, room, kind):
        if kind == 'id':
            self._give(ring, ring.num, 0)
        elif kind == 'huge id':
            self._give(ring, 0xffffffff, 0)
        elif kind == 'twice':
            # Both at once: between them the machine could have put it into the ring anew.
            self._give(ring, head, min(room, 64), times=2)
        elif kind == 'length':
            self._give(ring, head, room + 1)
        elif kind == 'jump':
            ring.given += ring.num + 1
            self._set_word(ring.used + 2, ring.given & 0xffff)
            self._interrupt(ring)
        else:
            raise ValueError(kind)

    # ---- for tests ----

    def _until(self, what, timeout=60):
        """Wait, with the lock held, until what() is true."""
        deadline = time.monotonic() + timeout
        while not what():
            if self.error is not None:
                raise self.error
            left = deadline - time.monotonic()
            assert left > 0, 'the machine did not do what was waited for'
            self.lock.wait(min(left, 0.2))

    def starts(self, pair=0):
        """How often the machine began to use that pair."""
        with self.lock:
            return self.rings[2 * pair].starts

    def wait_ready(self, pair=0, after=0, timeout=60):
        """Until the machine has put buffers into that pair's receive ring, having begun to use it
        more than `after` times."""
        ring = self.rings[2 * pair]
        with self.lock:
            self._until(lambda: ring.starts > after and ring.ready() and ring.enabled and
                        self._waiting(ring) > 0, timeout)

    def wait_stopped(self, timeout=60):
        """Until the machine has taken all rings away."""
        with self.lock:
            self._until(lambda: not any(r.ready() for r in self.rings), timeout)

    def deliver(self, pair, frame, flags=0, header=None, timeout=60, quiet=False, start=0,
                offset=0, said=None, room=1 << 16):
        """Give a frame to the machine, through that pair; `quiet`: without an interrupt; `start`,
        `offset`: where the header says that a sum is. It has as many buffers as it needs, if no
        more than `room` bytes go into each, and its header says so, or that there are `said`."""
        ring = self.rings[2 * pair]
        with self.lock:
            self._until(lambda: ring.ready() and ring.enabled and self._waiting(ring) > 0, timeout)
            first = self._room(ring, room)
            count = 1 + max(0, -(-(HEADER + len(frame) - first) // first))
            data = (header or struct.pack('<BBHHHHH', flags, 0, 0, 0, start, offset,
                                          count if said is None else said)) + frame
            self._until(lambda: self._waiting(ring) >= count, timeout)
            assert count == 1 or self.features & F_MRG_RXBUF, 'too long for one buffer'
            for _ in range(count):
                head, pieces = self._take(ring)
                wrote = 0
                for memory, at, length, piece_flags in pieces:
                    assert piece_flags & WRITE
                    n = min(length, room - wrote, len(data))
                    memory[at:at + n] = data[:n]
                    data, wrote = data[n:], wrote + n
                self._used(ring, head, wrote)
            assert not data, f'{len(data)} bytes too many for the buffers'
            self._shown(ring, quiet)

    def _room(self, ring, most):
        """What goes into the ring's next buffer."""
        at = self._word(ring.avail + 4 + 2 * (ring.taken % ring.num))
        total = 0
        while True:
            _, length, flags, following = self._get('<QIHH', ring.desc + 16 * at)
            total += length
            if not flags & NEXT:
                return min(total, most)
            at = following

    def take(self, timeout=60, match=lambda frame: True):
        """The next frame that the machine sent, as (pair, frame); those that do not match are
        passed over."""
        with self.lock:
            while True:
                self._until(lambda: self.sent, timeout)
                pair, frame = self.sent.popleft()
                if match(frame):
                    return pair, frame

    def forget(self):
        """What the machine sent so far is of no interest."""
        with self.lock:
            self.sent.clear()

    def kick(self):
        """Look at what lies in the transmit rings, after `hold`."""
        with self.lock:
            for index in range(1, len(self.rings), 2):
                self._kicked(index)

    def lie(self, pair, kind):
        """A used entry in the receive ring that cannot be: 'id', 'huge id', 'twice', 'length' or
        'jump'."""
        ring = self.rings[2 * pair]
        with self.lock:
            self._until(lambda: ring.ready() and ring.enabled and self._waiting(ring) > 1)
            head, pieces = self._take(ring)
            self._lie(ring, head, sum(n for _, _, n, _ in pieces), kind)

    def lie_sending(self, kind):
        """The same in the transmit ring, at the next frame that the machine sends."""
        with self.lock:
            self.corrupt = kind

    @staticmethod
    def unplug(machine):
        """Take the device out: switch its slot's power off (PCI Express 3.1, 7.8.10), through the
        machine's monitor."""
        machine.hmp('device_del nic0')
        def config(reg, value=None):
            machine.hmp(f'o /4 0xcf8 {0x80000000 | 6 << 11 | reg}')
            if value is None:
                return int(machine.hmp('i /4 0xcfc').split('=')[1], 16)
            return machine.hmp(f'o /4 0xcfc {value}')
        at = config(0x34) & 0xfc
        while config(at) & 0xff != 0x10:
            at = config(at) >> 8 & 0xfc
            assert at, 'the port has no PCI Express capability'
        control = config(at + 0x18) & 0xffff
        config(at + 0x18, control & ~0x0700 | 0x0700)

    def close(self):
        """The device goes away; the machine has ended."""
        os.write(self.stop_w, b'x')
        self.thread.join(10)
        self.listener.close()
        os.unlink(self.path)
        os.rmdir(self.directory)
        if self.error is not None and not isinstance(self.error, (ConnectionError, socket.timeout)):
            raise self.error
