/** An operator's day: a real daemon against the local broker in real time, spoken to through the command line. */
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { ofType, readLog } from './log.ts';
import type { BrokerProcess, Child, Outcome, Settings } from './processes.ts';
import { ACCOUNT, DEMO_PROFILE, until, Workplace } from './processes.ts';

const REAL_TIME: Settings = {
  'broker.clock': 'system',
  'calendar.alwaysOpen': 'true',
  'policy.kind': 'random',
  'policy.seed': '3',
  'control.httpPort': '0',
  'logging.level': 'debug',
};
const BROKER = ['--clock', 'realtime', '--always-open'];
const WHO = ['--operator', 'ada', '--reason', 'a test of control'];

/** Runs `reckoner VERB --config … REST`. */
const told = (place: Workplace, broker: BrokerProcess, verb: string, ...rest: readonly string[]): Promise<Outcome> =>
  place.command([verb, '--config', DEMO_PROFILE, ...rest], REAL_TIME, broker.address);

/** The loopback port for health, readiness and metrics, as the daemon logged it. */
function monitorPort(daemon: Child): number {
  const line = daemon.stderr.split('\n').find((one) => one.includes('health, readiness and metrics'));
  return z.object({ port: z.int() }).parse(JSON.parse(line ?? '{}')).port;
}

async function ask(port: number, path: string, host = '127.0.0.1'): Promise<{ readonly status: number; readonly text: string }> {
  const asked = request({ host: '127.0.0.1', port, path, headers: { host } });
  asked.end();
  const [reply] = (await once(asked, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of reply.setEncoding('utf8')) text += String(chunk);
  return { status: reply.statusCode ?? 0, text };
}

/** A way to the broker's streams that can be cut. */
async function cuttableWay(to: string): Promise<{ readonly address: string; cut(): number }> {
  const target = new URL(to);
  const sockets = new Set<Socket>();
  const server = createServer((inward) => {
    const outward = connect(Number(target.port), target.hostname);
    for (const [one, other] of [[inward, outward], [outward, inward]] as const) {
      sockets.add(one);
      one.pipe(other);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = (): number => {
    const { size } = sockets;
    for (const socket of sockets) socket.destroy();
    return size;
  };
  onTestFinished(() => {
    cut();
    server.close();
  });
  return { address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, cut };
}

describe('an operator', () => {
  test('watches, arms, halts, resumes, disarms and stops a daemon, which tells nobody its token', async () => {
    const place = new Workplace();
    const broker = await place.startBroker(BROKER);
    const daemon = place.startDaemon(broker, REAL_TIME);
    expect(await place.whenReady(daemon)).toMatchObject({ mode: 'OBSERVING', epoch: 1 });
    const outcomes: Outcome[] = [];
    const tell = async (verb: string, ...rest: readonly string[]): Promise<Outcome> => {
      const outcome = await told(place, broker, verb, ...rest);
      outcomes.push(outcome);
      return outcome;
    };
    const mode = async (): Promise<string | undefined> => (await place.status())?.mode;

    // Looking.
    const status = await tell('status', '--json');
    expect(status.code).toBe(0);
    expect(JSON.parse(status.stdout)).toMatchObject({
      running: true,
      live: {
        ready: true,
        mode: 'OBSERVING',
        instruments: [{ units: '0', unitsMax: '1', unitsDistance: '1' }],
        limits: expect.arrayContaining([{ limit: 'dailyLossPips', value: '0', max: '1000', distance: '1000' }, { limit: 'slippageStrikes', value: '0', max: '3', distance: '3' }]) as unknown,
      },
      log: { lagging: [] },
    });
    expect((await tell('status')).stdout).toMatch(/^mode +OBSERVING$/m);
    const runs = await tell('query', 'runs', '--json');
    expect(JSON.parse(runs.stdout)).toMatchObject({ rows: [{ epoch: 1, previous_run: 'none', stopped_at: null }] });
    const counted = await tell('query', '--sql', "SELECT count(*) AS n FROM events WHERE type = 'DaemonStarted'", '--csv');
    expect(counted.stdout).toBe('n\n1\n');
    expect(await tell('query', '--sql', 'DELETE FROM events')).toMatchObject({ code: 64, stdout: '' });
    expect(await tell('query', 'no_such_model')).toMatchObject({ code: 64 });
    expect((await tell('verify')).stdout).toMatch(/^ok: \d+ events, head [0-9a-f]{64}$/m);
    expect(JSON.parse((await tell('replay', '--json')).stdout)).toMatchObject({ equal: true, differing: [] });

    // Monitoring.
    const port = monitorPort(daemon);
    expect(await ask(port, '/health')).toMatchObject({ status: 200 });
    expect(await ask(port, '/ready')).toMatchObject({ status: 200 });
    expect((await ask(port, '/metrics')).text).toMatch(/^reckoner_ready(\{[^}]*\})? 1$/m);
    expect(await ask(port, '/health', 'attacker.example')).toMatchObject({ status: 421 });

    // Commanding.
    const unasked = await tell('arm', ...WHO);
    expect(unasked.code).toBe(64);
    expect(unasked.stderr).toMatch(/a loss of up to [\d.]+ USD/);
    expect(unasked.stderr).toContain('add --yes');
    expect(await mode()).toBe('OBSERVING');
    expect(await tell('arm', '--yes')).toMatchObject({ code: 64 });
    expect(await tell('arm', ...WHO, '--yes')).toMatchObject({ code: 0, stdout: 'ok: armed (mode ARMED)\n' });
    expect(await mode()).toBe('ARMED');
    expect(await tell('resume', ...WHO)).toMatchObject({ code: 1 });
    expect(await tell('halt', ...WHO)).toMatchObject({ code: 0 });
    expect(await mode()).toBe('HALTED');
    expect((await ask(port, '/ready')).status).toBe(503);
    const refused = await tell('arm', ...WHO, '--yes');
    expect(refused.code).toBe(1);
    expect(refused.stdout).toContain('resume');
    expect(await tell('resume', ...WHO)).toMatchObject({ code: 0 });
    expect(await tell('disarm', ...WHO)).toMatchObject({ code: 0 });
    expect(await mode()).toBe('OBSERVING');

    // Stopping.
    expect(await daemon.end('SIGTERM')).toMatchObject({ code: 0, signal: null });
    const gone = await tell('halt', ...WHO);
    expect(gone.code).toBe(69);
    expect(gone.stderr).toContain('reckoner run');
    const left = await tell('status', '--json');
    expect(left.code).toBe(0);
    expect(JSON.parse(left.stdout)).toMatchObject({ running: false, live: null });

    const log = await readLog(place.dataDirectory);
    expect(log.verdict).toMatchObject({ ok: true });
    expect(log.events.at(-1)!.event).toMatchObject({ type: 'DaemonStopped', data: { reason: 'SIGTERM', exitCode: 0 } });
    expect(ofType(log, 'ControlAccess').map(({ data }) => `${data.operator} ${data.verb} ${data.outcome === 'accepted' ? 'yes' : 'no'}`))
      .toEqual(['ada arm yes', 'ada resume no', 'ada halt yes', 'ada arm no', 'ada resume yes', 'ada disarm yes']);
    const said = [...outcomes, await daemon.ended].map(({ stdout, stderr }) => stdout + stderr).join('');
    expect(said).not.toContain(place.token);
    for (const file of ['log.sqlite', 'head.witness']) expect(readFileSync(join(place.dataDirectory, file)).includes(place.token), file).toBe(false);

    const again = place.startDaemon(broker, REAL_TIME);
    expect(await place.whenReady(again)).toMatchObject({ mode: 'OBSERVING', epoch: 2 });
    expect(ofType(await readLog(place.dataDirectory), 'DaemonStarted').map(({ data }) => data.previousRun)).toEqual(['none', 'clean']);
    // Halted, it says so with its exit code, and the next start takes that for no crash.
    expect(await tell('halt', ...WHO)).toMatchObject({ code: 0 });
    expect(await again.end('SIGINT')).toMatchObject({ code: 31, signal: null });
    const halted = place.startDaemon(broker, REAL_TIME);
    const up = await until('the halted daemon', () => place.status(), [halted]);
    expect(up).toMatchObject({ mode: 'HALTED', epoch: 3 });
    expect(ofType(await readLog(place.dataDirectory), 'DaemonStarted').map(({ data }) => data.previousRun)).toEqual(['none', 'clean', 'clean']);
    expect(await halted.end('SIGTERM')).toMatchObject({ code: 31 });
  });

  test('finds a stranger’s trade, lets it stand by name, has it reconciled, and may trade beside it', async () => {
    const place = new Workplace();
    const broker = await place.startBroker(BROKER);
    const daemon = place.startDaemon(broker, { ...REAL_TIME, 'policy.holdShare': '1' });
    await place.whenReady(daemon);
    const opened = await fetch(`${broker.address.rest}/v3/accounts/${ACCOUNT}/orders`, {
      method: 'POST',
      headers: { authorization: `Bearer ${place.token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ order: { type: 'MARKET', instrument: 'EUR_USD', units: '7', timeInForce: 'FOK', positionFill: 'DEFAULT' } }),
    });
    expect(opened.status).toBe(201);
    await until('the halt', async () => ((await place.status())?.mode === 'HALTED' ? true : null), [daemon]);
    const [tradeId] = ofType(await readLog(place.dataDirectory), 'ForeignTradeObserved').map(({ data }) => data.tradeId);
    const tell = (verb: string, ...rest: readonly string[]): Promise<Outcome> => told(place, broker, verb, ...WHO, ...rest);

    const early = await tell('resume');
    expect(early.code).toBe(1);
    expect(early.stdout).toContain(`trade ${tradeId}`);
    expect(await tell('acknowledge')).toMatchObject({ code: 64 });
    expect(await tell('acknowledge', '--trade', '999')).toMatchObject({ code: 1 });
    expect(await tell('acknowledge', '--trade', tradeId!)).toMatchObject({ code: 0 });
    expect(await tell('resume')).toMatchObject({ code: 0 });
    const compared = await tell('reconcile');
    expect(compared).toMatchObject({ code: 0 });
    expect(compared.stdout).toMatch(/^ok: agreed at transaction \d+ \(mode OBSERVING\)$/m);
    expect(await tell('arm', '--yes')).toMatchObject({ code: 0 });
    expect(await daemon.end('SIGTERM')).toMatchObject({ code: 0 });

    const log = await readLog(place.dataDirectory);
    expect(ofType(log, 'ForeignTradeAcknowledged').map(({ data }) => data)).toEqual([{ tradeId, operator: 'ada', reason: 'a test of control' }]);
    expect(ofType(log, 'ReconciliationCompleted').at(-1)!.data).toMatchObject({ trigger: 'operator', scope: 'full', outcome: 'agreed' });
    expect(ofType(log, 'OrderIntended')).toEqual([]);
  });

  test('cannot start a second daemon on the same data directory', async () => {
    const place = new Workplace();
    const broker = await place.startBroker(BROKER);
    const first = place.startDaemon(broker, REAL_TIME);
    await place.whenReady(first);
    const second = await place.command(['run', '--config', DEMO_PROFILE], REAL_TIME, broker.address);
    expect(second.code).toBe(30);
    expect(second.stderr).toContain('is in use by another daemon: stop that one first');
    expect(first.hasEnded).toBe(false);
    expect(await place.status()).toMatchObject({ ready: true, epoch: 1 });
  });
});

describe('a daemon', () => {
  test('whose token the broker refuses sends nothing, ends with 69 and shows the token nowhere', async () => {
    const place = new Workplace();
    const broker = await place.startBroker(BROKER);
    const canary = 'canary-5f2b7a91c0de';
    const wrong = join(place.directory, 'wrong');
    writeFileSync(wrong, `${canary}\n`, { mode: 0o600 });
    const outcome = await place.command(['run', '--config', DEMO_PROFILE], { ...REAL_TIME, 'broker.tokenFile': wrong, 'logging.level': 'trace' }, broker.address);
    expect(outcome.code).toBe(69);
    expect(outcome.stderr).toContain('unauthorised');
    expect(outcome.stdout + outcome.stderr).not.toContain(canary);
    expect(readFileSync(join(place.dataDirectory, 'log.sqlite')).includes(canary)).toBe(false);
    expect((await broker.transactions()).filter(({ type }) => type === 'MARKET_ORDER')).toEqual([]);
  });

  test('opens a stream again that was cut, and survives a broker that is gone without opening anything', async () => {
    const place = new Workplace();
    const broker = await place.startBroker(BROKER);
    const way = await cuttableWay(broker.address.stream);
    const daemon = place.startDaemon(broker, { ...REAL_TIME, 'broker.streamUrl': way.address });
    await place.whenReady(daemon);
    await place.arm('watching streams');
    const soundness = (wanted: boolean) => async (): Promise<true | null> => {
      const status = await place.status();
      return status !== null && (status.unsound === null) === wanted ? true : null;
    };
    await until('both streams', soundness(true), [daemon]);

    expect(way.cut()).toBeGreaterThan(0);
    await until('the loss of the streams', soundness(false), [daemon]);
    await until('both streams again', soundness(true), [daemon]);

    await broker.end('SIGKILL');
    await until('the loss of the broker', soundness(false), [daemon]);
    expect(await ask(monitorPort(daemon), '/health')).toMatchObject({ status: 200 });
    expect(daemon.hasEnded).toBe(false);
    const { code } = await daemon.end('SIGTERM');
    expect(code).toBe(0);
    const log = await readLog(place.dataDirectory);
    expect(log.verdict).toMatchObject({ ok: true });
    for (const feed of ['pricing', 'transactions']) {
      expect(ofType(log, 'FeedConnected').filter(({ data }) => data.feed === feed)).toHaveLength(2);
      expect(ofType(log, 'FeedDisconnected').filter(({ data }) => data.feed === feed)).toHaveLength(2);
    }
  });
});
