// Runs a gateway for development and sends it what no client library would send.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { createInterface } from 'node:readline';
import WebSocket from 'ws';

// start starts a gateway with the store in its process and without rate limits. It registers one
// device, and returns the gateway.
export async function start(program) {
  const free = '127.0.0.1:0';
  const env = {
    ...process.env, FIELDGATE_ADDR: free, FIELDGATE_METRICS_ADDR: 'off', FIELDGATE_DEV_ISSUER_ADDR: free,
    FIELDGATE_RATE_LIMITS: 'off', FIELDGATE_LOG_LEVEL: 'error',
  };
  const child = spawn(program, ['dev'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const gateway = new Gateway(child);
  await gateway.welcome();
  await gateway.registerDevice();
  return gateway;
}

class Gateway {
  constructor(child) {
    this.child = child;
    this.agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
    this.waiting = new AbortController();
  }

  // welcome reads the address and the token that the gateway prints.
  async welcome() {
    for await (const line of createInterface({ input: this.child.stdout })) {
      const [, url] = line.match(/^Fieldgate is up at (\S+)/) ?? [];
      this.url = url ?? this.url;
      const [, token] = line.match(/^export TOKEN=(\S+)/) ?? [];
      if (token) {
        this.child.stdout.resume();
        this.tokens = { customerJWT: token };
        return;
      }
    }
    throw new Error('the gateway did not start');
  }

  async registerDevice() {
    const { activationCode } = await this.create('/api/v1/customer/devices', { name: 'Pump 7' });
    const { deviceId, deviceSecret } = await this.create('/api/v1/device/register', { activationCode });
    this.tokens.deviceSession = (await this.create('/api/v1/device/auth', { deviceId, deviceSecret })).token;
  }

  async create(path, body) {
    const response = await this.send({ method: 'POST', path, token: this.tokens.customerJWT, body: JSON.stringify(body) });
    if (response.status >= 300) throw new Error(`POST ${path}: ${response.status} ${response.text}`);
    return JSON.parse(response.text);
  }

  // occupyWaitingClaims holds the two waiting claims that a device may have. Any other claim then
  // returns at once, with commands, without, or with 429.
  occupyWaitingClaims() {
    const hold = async () => {
      while (!this.waiting.signal.aborted) {
        await this.send({
          method: 'POST', path: '/api/v1/device/commands/claim', token: this.tokens.deviceSession, body: '{"waitMs":30000}', agent: false, signal: this.waiting.signal,
        }).catch(() => {});
      }
    };
    hold();
    hold();
  }

  // send sends a request and returns its status and body. The path is sent as it is.
  async send({ method, path, token, body, header = {}, agent = this.agent, signal }) {
    const { hostname, port } = new URL(this.url);
    const headers = { ...header };
    if (token) headers.Authorization = `Bearer ${token}`;
    if (body !== undefined) Object.assign(headers, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
    const request = http.request({ hostname, port, method, path, headers, agent, signal });
    request.end(body);
    const [response] = await once(request, 'response');
    let text = '';
    for await (const chunk of response.setEncoding('utf8')) text += chunk;
    return { status: response.statusCode, text };
  }

  socket(path, token) {
    return new Socket(this.url.replace('http', 'ws') + path, token);
  }

  async stop() {
    this.waiting.abort();
    this.agent.destroy();
    this.child.kill();
    await once(this.child, 'exit');
  }
}

// perSocket is the number of frames that are sent over one socket. A socket with more than 100
// messages in a short time is closed.
const perSocket = 80;

// silence is the time in milliseconds after which a frame that needs no reply counts as accepted.
const silence = 1000;

// A Socket sends one frame at a time and returns its reply. It reconnects when necessary.
class Socket {
  constructor(url, token) {
    this.url = url;
    this.token = token;
  }

  async open() {
    this.sent = 0;
    this.ws = new WebSocket(this.url, ['fieldgate.v1'], { headers: { Authorization: `Bearer ${this.token}` }, perMessageDeflate: false });
    const welcome = once(this.ws, 'message');
    await once(this.ws, 'open');
    await welcome;
  }

  // request sends a frame. It returns the reply, the error, or the code with which the gateway
  // closed the socket. It returns undefined if a frame without a requestId gets no reply.
  async request(text, expectsReply) {
    if (!this.ws || this.sent >= perSocket) {
      await this.close();
      await this.open();
    }
    this.sent++;
    const reply = this.reply(expectsReply);
    this.ws.send(text, { binary: false });
    const received = await reply;
    if (received === undefined || received.closed) await this.close();
    return received;
  }

  reply(expectsReply) {
    return new Promise((resolve) => {
      const { ws } = this;
      const end = (received) => {
        ws.off('message', onMessage).off('close', onClose);
        clearTimeout(timer);
        resolve(received);
      };
      const onMessage = (data) => {
        const frame = JSON.parse(data);
        if (frame.type === 'reply' || frame.type === 'error') end(frame);
      };
      const onClose = (code) => end({ closed: code });
      const timer = expectsReply ? undefined : setTimeout(end, silence);
      ws.on('message', onMessage).on('close', onClose);
    });
  }

  async close() {
    if (this.ws && this.ws.readyState !== WebSocket.CLOSED) {
      this.ws.close();
      await once(this.ws, 'close');
    }
    this.ws = undefined;
  }
}
