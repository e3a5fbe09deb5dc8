"""A member of groups on cim.py: a JSON command a line on stdin, a JSON event a line on stdout.

It does what the wire asks of a client: comes back when the connection breaks, sends what was not acked again under the
same msg_id, and asks again what was not answered.
  cim-member.py CIM_PY USER TOKEN PORT...
"""
import importlib.util, json, os, selectors, sys, time

spec = importlib.util.spec_from_file_location('cim', sys.argv[1])
cim = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cim)
USER, TOKEN, PORTS = int(sys.argv[2]), sys.argv[3], [int(port) for port in sys.argv[4:]]
BUSY = (9, 10)  # RATE_LIMITED, SERVER_BUSY of results
ACK_BUSY = (6, 10)
IN_FLIGHT, AGAIN, ANSWER, BEAT = 4, 0.25, 12, 20

queue, flying, asks = [], {}, {}  # letters; msg_id -> letter; id -> question
client, away, turn, next_try, beat, stdin = None, False, 0, 0, 0, b''


def tell(**event):
    print(json.dumps(event, default=lambda data: data.decode('latin-1')), flush=True)


def note(kind, values, **more):
    names = {name: values[name] for name in ('from_user_id', 'to_session_id', 'msg_id')}
    tell(kind=kind, at_ms=time.monotonic() * 1000, **names, **more)


def write(letter):
    letter['again'] = None
    values = dict(from_user_id=USER, to_session_id=letter['to'], msg_id=letter['msg_id'])
    note('sent', values, text=letter['text'])
    client.send(letter['to'], letter['text'], letter['msg_id'])


def ask(question):
    question['again'] = time.monotonic() + ANSWER
    question['seq'] = client.write(question['command'], question['values'])


def fill():
    while queue and len(flying) < IN_FLIGHT:
        letter = queue.pop(0)
        flying[letter['msg_id']] = letter
        write(letter)


def take(command, seq, values):
    if command == 0x0301:
        note('received', values, server_msg_id=values['server_msg_id'], text=values['msg_data'].decode())
        client.ack(values)
    elif command == 0x0302:
        note('acked', values, res_code=values['res_code'], server_msg_id=values.get('server_msg_id'))
        letter = flying.get(values['msg_id'])
        if letter and values['res_code'] in ACK_BUSY:
            letter['again'] = time.monotonic() + AGAIN
        elif letter:
            del flying[values['msg_id']]
    for key, question in list(asks.items()):
        if question.get('seq') != seq or command not in (question['answer'], 0x0109):
            continue
        if command == 0x0109 and values['result_code'] in BUSY:
            question['again'] = time.monotonic() + AGAIN
        else:
            del asks[key]
            tell(id=key, values=values, refused=command == 0x0109)


def obey(order):
    global away, client
    do = order['do']
    if do == 'send':
        queue.append(order)
    elif do == 'ask':
        asks[order['id']] = order
        if client:
            ask(order)
    elif do == 'put' and client:
        client.write(order['command'], order['values'])
    elif do == 'away':
        away = True
        leave()
    elif do == 'back':
        away = False


def leave():
    global client, next_try
    if client:
        client.close()
        tell(online=False)
    client, next_try = None, time.monotonic() + AGAIN


def come():
    global client, turn, beat
    turn += 1
    arriving = None
    try:
        arriving = cim.Client('127.0.0.1', PORTS[turn % len(PORTS)], USER, TOKEN, connect_timeout=3)
        if arriving.login(timeout=11).get('result_code') != 0:
            raise cim.Closed('refused')
    except (OSError, cim.Closed, KeyError):
        if arriving:
            arriving.close()
        leave()
        return
    client, beat = arriving, time.monotonic()
    tell(online=True)
    for packet in client.inbox:
        take(*packet)
    client.inbox.clear()
    for letter in list(flying.values()):
        write(letter)
    for question in list(asks.values()):
        ask(question)


def read_orders():
    """False at the end of stdin."""
    global stdin
    chunk = os.read(0, 65536)
    stdin += chunk
    *lines, stdin = stdin.split(b'\n')
    for line in lines:
        obey(json.loads(line))
    return bool(chunk)


def repeat_what_is_due():
    global beat
    now = time.monotonic()
    for letter in list(flying.values()):
        if letter['again'] and letter['again'] < now:
            write(letter)
    for question in list(asks.values()):
        if question['again'] < now:
            ask(question)
    if now - beat > BEAT:
        client.write(0x0105)
        beat = now


def live():
    while True:
        if client is None and not away and time.monotonic() > next_try:
            come()
        with selectors.DefaultSelector() as ready:
            ready.register(0, selectors.EVENT_READ)
            if client:
                ready.register(client.sock, selectors.EVENT_READ)
            events = [key.fd for key, _ in ready.select(0.1)]
        if 0 in events and not read_orders():
            return
        if client is None:
            continue
        try:
            if client.sock.fileno() in events:
                while True:
                    try:
                        take(*client.read(0.001))
                    except TimeoutError:
                        break
            fill()
            repeat_what_is_due()
        except (OSError, cim.Closed):
            leave()


live()
