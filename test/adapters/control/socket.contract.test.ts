import { existsSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { DaemonNotRunningError, ControlRequestError, fetchStatus, sendCommand } from '../../../adapters/control/client.ts';
import type { ControlCommand, ControlHandler, ControlOutcome } from '../../../adapters/control/protocol.ts';
import { ControlSocketError, startControlServer } from '../../../adapters/control/server.ts';
import { folderForFile } from '../../folders.ts';

const directory = folderForFile();
const closers: (() => Promise<unknown>)[] = [];
let sockets = 0;
const freshPath = (): string => join(directory, `s${(sockets += 1)}.sock`);

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** Keeps what it was told; answers as a daemon that is armed by anybody but mallory. */
class Recorder implements ControlHandler {
  readonly commands: ControlCommand[] = [];
  command(command: ControlCommand): Promise<ControlOutcome> {
    this.commands.push(command);
    const accepted = command.operator !== 'mallory';
    return Promise.resolve({ accepted, mode: accepted ? 'ARMED' : 'HALTED', message: accepted ? 'armed' : 'resume first' });
  }
  status() {
    return Promise.resolve({ mode: 'OBSERVING', position: '0' });
  }
}

async function start(handler: ControlHandler = new Recorder(), requestMsMax = 5_000) {
  const socketPath = freshPath();
  const faults: Error[] = [];
  const server = await startControlServer({ socketPath, handler, requestMsMax, onFault: (fault) => faults.push(fault) });
  closers.push(() => server.close());
  return { socketPath, faults };
}

/** Sends raw bytes and gives back everything until the other side hangs up. */
function raw(socketPath: string, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let reply = '';
    const socket = connect(socketPath, () => socket.write(request));
    socket.on('data', (chunk: Buffer) => (reply += chunk.toString()));
    socket.on('close', () => resolve(reply));
    socket.on('error', (error: NodeJS.ErrnoException) => (error.code === 'ECONNRESET' || error.code === 'EPIPE' ? resolve(reply) : reject(error)));
  });
}
const post = (body: string, headers = ''): string => `POST /commands HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n${headers}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
const arm: ControlCommand = { verb: 'arm', operator: 'ada', reason: 'start of the day' };

describe('the control socket', () => {
  test('carries a command to the daemon and its outcome back, refusals included', async () => {
    const handler = new Recorder();
    const { socketPath } = await start(handler);
    expect(await sendCommand(socketPath, arm)).toEqual({ accepted: true, mode: 'ARMED', message: 'armed' });
    expect(await sendCommand(socketPath, { ...arm, operator: 'mallory' })).toMatchObject({ accepted: false, message: 'resume first' });
    const swap: ControlCommand = { verb: 'swap-model', operator: 'ada', reason: 'retrained', directory: '/models/new' };
    expect(await sendCommand(socketPath, swap)).toMatchObject({ accepted: true });
    expect(handler.commands).toEqual([arm, { ...arm, operator: 'mallory' }, swap]);
    expect(await fetchStatus(socketPath)).toEqual({ mode: 'OBSERVING', position: '0' });
  });

  test('is open to its owner and group alone, and is gone after closing', async () => {
    const socketPath = freshPath();
    const server = await startControlServer({ socketPath, handler: new Recorder(), onFault: () => undefined });
    expect(statSync(socketPath).mode & 0o777).toBe(0o660);
    await server.close();
    expect(existsSync(socketPath)).toBe(false);
  });

  test.each([
    ['no operator', '{"verb":"halt","reason":"x"}', /operator is required/],
    ['an unknown verb', '{"verb":"buy","operator":"ada","reason":"x"}', /verb must be one of arm, disarm, halt, resume, reconcile, acknowledge, swap-model/],
    ['a model that lies nowhere', '{"verb":"swap-model","operator":"ada","reason":"x"}', /directory is required/],
    ['a model whose place depends on the daemon', '{"verb":"swap-model","operator":"ada","reason":"x","directory":"models/new"}', /directory must be an absolute path/],
    ['a directory for another verb', '{"verb":"halt","operator":"ada","reason":"x","directory":"/m"}', /[Uu]nrecognized key/],
    ['a reason without end', `{"verb":"halt","operator":"ada","reason":"${'x'.repeat(501)}"}`, /reason must have at most 500 characters/],
    ['a line break that could forge a log line', '{"verb":"halt","operator":"ada","reason":"a\\nb"}', /control characters/],
    ['a field that nobody knows', '{"verb":"halt","operator":"ada","reason":"x","units":66}', /[Uu]nrecognized key/],
    ['text that is not JSON', 'halt', /JSON/],
    ['a prototype key', '{"__proto__":{"verb":"arm"},"verb":"arm","operator":"ada","reason":"x"}', /./],
  ])('answers 400 to %s and tells the daemon nothing', async (_name, body, message) => {
    const handler = new Recorder();
    const { socketPath } = await start(handler);
    const reply = await raw(socketPath, post(body));
    expect(reply).toMatch(/^HTTP\/1\.1 400 /);
    expect(reply).toMatch(message);
    expect(handler.commands).toEqual([]);
  });

  test('has no command among its GETs', async () => {
    const handler = new Recorder();
    const { socketPath } = await start(handler);
    expect(await raw(socketPath, 'GET /commands?verb=arm HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')).toMatch(/^HTTP\/1\.1 404 /);
    expect(handler.commands).toEqual([]);
  });

  test('refuses bodies over 64 KiB and headers over 8 KiB', async () => {
    const { socketPath } = await start();
    expect(await raw(socketPath, post(JSON.stringify({ ...arm, reason: 'x'.repeat(65_536) })))).toMatch(/^HTTP\/1\.1 413 /);
    expect(await raw(socketPath, post('{}', `x-long: ${'x'.repeat(9_000)}\r\n`))).toMatch(/^HTTP\/1\.1 431 /);
  });

  test.each([
    ['a header that never ends', 'POST /commands HTTP/1.1\r\nhost: x\r\n', /^HTTP\/1\.1 408 /],
    ['a body that never ends', 'POST /commands HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{', /^HTTP\/1\.1 408 /],
    ['a refused body that never ends', 'POST /commands HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{', /^HTTP\/1\.1 415 /],
    ['no request at all', '', /^/],
  ])('drops %s', async (_name, request, expected) => {
    const { socketPath } = await start(new Recorder(), 200);
    expect(await raw(socketPath, request)).toMatch(expected);
  });

  test('closes in bounded time although a request drips in', async () => {
    const socketPath = freshPath();
    const server = await startControlServer({ socketPath, handler: new Recorder(), requestMsMax: 1_000, onFault: () => undefined });
    const dripping = raw(socketPath, 'POST /commands HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{');
    await fetchStatus(socketPath);
    await server.close();
    expect(await dripping).not.toMatch(/ 200 /);
  });

  test('hangs up on the seventeenth connection', async () => {
    const { socketPath } = await start();
    const open: Socket[] = [];
    for (let index = 0; index < 16; index += 1) {
      await new Promise<void>((resolve) => open.push(connect(socketPath, resolve)));
    }
    try {
      expect(await raw(socketPath, 'GET /status HTTP/1.1\r\nhost: x\r\n\r\n')).toBe('');
    } finally {
      for (const socket of open) socket.destroy();
    }
  });

  test('hides a fault from the caller and shows it to the daemon', async () => {
    const { socketPath, faults } = await start({ command: () => Promise.reject(new Error('secret detail')), status: () => Promise.resolve(null) });
    const failed = sendCommand(socketPath, arm);
    await expect(failed).rejects.toThrow(ControlRequestError);
    await expect(failed).rejects.not.toThrow(/secret detail/);
    expect(faults.map(({ message }) => message)).toEqual(['secret detail']);
  });
});

describe('the socket’s path', () => {
  test('is taken over from a daemon that died without cleaning up', async () => {
    const socketPath = freshPath();
    const dead: Server = createServer();
    await new Promise<void>((resolve) => dead.listen(socketPath, resolve));
    // Closing would unlink the file; a kill would not. So the file is put out of the way of the closing.
    renameSync(socketPath, `${socketPath}.kept`);
    await new Promise((resolve) => dead.close(resolve));
    renameSync(`${socketPath}.kept`, socketPath);
    const server = await startControlServer({ socketPath, handler: new Recorder(), onFault: () => undefined });
    closers.push(() => server.close());
    expect(await fetchStatus(socketPath)).toMatchObject({ mode: 'OBSERVING' });
  });

  test('is never taken from a daemon that answers', async () => {
    const { socketPath } = await start();
    await expect(startControlServer({ socketPath, handler: new Recorder(), onFault: () => undefined })).rejects.toThrow(ControlSocketError);
    expect(await fetchStatus(socketPath)).toMatchObject({ mode: 'OBSERVING' });
  });

  test('is never cleared of a file that is no socket', async () => {
    const socketPath = freshPath();
    writeFileSync(socketPath, 'notes');
    await expect(startControlServer({ socketPath, handler: new Recorder(), onFault: () => undefined })).rejects.toThrow(/is no socket/);
    expect(existsSync(socketPath)).toBe(true);
  });

  test('without a daemon behind it is an error of its own kind', async () => {
    await expect(sendCommand(freshPath(), arm)).rejects.toThrow(DaemonNotRunningError);
    await expect(fetchStatus(freshPath())).rejects.toThrow(/no daemon answers on .*reckoner run/);
  });
});
