/** Models from the command line: looked at, checked, timed, and swapped under a running daemon. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { UNTRAINED_DEFAULTS, untrainedModel } from '../../models/reference/untrained.ts';
import { ofType, readLog } from './log.ts';
import type { Outcome, Settings } from './processes.ts';
import { DEMO_PROFILE, ROOT, until, Workplace } from './processes.ts';

const BUNDLED = join(ROOT, 'models/reference/untrained-h32');
const DETERMINISTIC = join(ROOT, 'models/reference/untrained-deterministic-h32');
const WHO = ['--operator', 'ada', '--reason', 'a test of swapping'];

function write(directory: string, seed: number): string {
  mkdirSync(directory);
  for (const [name, bytes] of untrainedModel({ ...UNTRAINED_DEFAULTS, seed }).files) writeFileSync(join(directory, name), bytes);
  return directory;
}

const modelStatus = z.object({ live: z.object({ model: z.string(), mode: z.string() }) });

describe('a model', () => {
  test('swapped by an operator decides from then on; one that fails a check does not; a restart does not come back armed', async () => {
    const place = new Workplace();
    const broker = await place.startBroker(['--clock', 'realtime', '--always-open']);
    const settings: Settings = { 'broker.clock': 'system', 'calendar.alwaysOpen': 'true', 'control.httpPort': 'off', 'policy.modelDirectory': BUNDLED };
    const told = (verb: string, ...rest: readonly string[]): Promise<Outcome> => place.command([verb, '--config', DEMO_PROFILE, ...rest], settings, broker.address);
    const daemon = place.startDaemon(broker, settings);
    await place.whenReady(daemon);
    await place.arm('swapping');

    const good = write(join(place.directory, 'good'), 5);
    const bad = write(join(place.directory, 'bad'), 6);
    writeFileSync(join(bad, 'chance_inference.onnx'), readFileSync(join(bad, 'chance_inference.onnx')).subarray(0, 5_000));
    const refused = await told('swap-model', '--directory', bad, ...WHO);
    expect(refused.code).toBe(1);
    expect(refused.stdout).toMatch(/^refused: refused by check files: chance_inference.onnx has 5000 bytes .* untrained-h32-s4 goes on deciding \(mode ARMED\)$/m);
    const swapped = await told('swap-model', '--directory', good, ...WHO);
    expect(swapped).toMatchObject({ code: 0, stdout: expect.stringContaining('untrained-h32-s5 decides in place of untrained-h32-s4') as string });
    const status = modelStatus.parse(JSON.parse((await told('status', '--json')).stdout));
    expect(status.live).toEqual({ model: 'untrained-h32-s5', mode: 'ARMED' });
    await daemon.end('SIGKILL');

    const again = place.startDaemon(broker, settings);
    expect(await place.whenReady(again)).toMatchObject({ mode: 'OBSERVING', epoch: 2 });
    await again.end('SIGTERM');
    const log = await readLog(place.dataDirectory);
    expect(log.verdict).toMatchObject({ ok: true });
    const [first, second] = ofType(log, 'ModelLoaded').map(({ data }) => data.modelHash);
    expect(second).toBe(first);
    expect(ofType(log, 'ModelSwapped').map(({ data }) => data)).toMatchObject([{ operator: 'ada', reason: 'a test of swapping', directory: good, formerModelHash: first, modelLabel: 'untrained-h32-s5', trained: false }]);
    // Every event carries the model that decided when it was told: the former's, then the new one's, then the configured one's again.
    const hashes = log.events.map(({ metadata }) => metadata.modelHash).filter((hash, index, all) => hash !== all[index - 1]);
    expect(hashes).toEqual([first, ofType(log, 'ModelSwapped')[0]!.data.modelHash, first]);
    expect(ofType(log, 'ModelRejected').map(({ data }) => data)).toMatchObject([{ check: 'files', detail: expect.stringContaining(bad) as string }]);
    expect(ofType(log, 'ControlAccess').map(({ data }) => `${data.verb} ${data.outcome}`)).toEqual(['arm accepted', 'swap-model accepted', 'swap-model accepted']);
    expect(ofType(log, 'TradingObserving').at(-1)!.data.cause).toContain('model changed');
  });

  test('is refused for a policy that runs none', async () => {
    const place = new Workplace();
    const broker = await place.startBroker(['--clock', 'realtime', '--always-open']);
    const settings: Settings = { 'broker.clock': 'system', 'calendar.alwaysOpen': 'true', 'control.httpPort': 'off', 'policy.kind': 'hold' };
    const daemon = place.startDaemon(broker, settings);
    await until('the daemon', async () => ((await place.status())?.ready === true ? true : null), [daemon]);
    const outcome = await place.command(['swap-model', '--config', DEMO_PROFILE, '--directory', BUNDLED, ...WHO], settings, broker.address);
    expect(outcome).toMatchObject({ code: 1, stdout: expect.stringContaining('policy hold runs no model') as string });
  });

  test('shows its shapes and metadata, passes or fails its checks by name, and is timed', async () => {
    const place = new Workplace();
    const run = (...rest: readonly string[]): Promise<Outcome> => place.command(['model', ...rest], {}, null);
    const json = async (...rest: readonly string[]): Promise<unknown> => JSON.parse((await run(...rest, '--json')).stdout);

    const inspected = await json('inspect', DETERMINISTIC);
    expect(inspected).toMatchObject({
      version: 1, modelLabel: 'untrained-deterministic-h32-s4', metadata: { kind: 'deterministic', feature_set_id: 'swt-137', trained: false }, probes: 4,
      graphs: [{ graph: 'initial_inference', constants: 5638 }, {
        graph: 'recurrent_inference', opsets: ['17'],
        inputs: [{ name: 'hidden', type: 'float32', shape: ['batch', 32] }, { name: 'action', type: 'int32', shape: ['batch'] }],
        outputs: [{ name: 'hidden_next' }, { name: 'reward', shape: ['batch'] }, { name: 'policy_logits' }, { name: 'value' }],
        operators: { Gather: 1, Gemm: 5 }, metadata: { action_order: 'HOLD,BUY,SELL,CLOSE' },
      }],
    });
    expect((await run('inspect', BUNDLED)).stdout).toMatch(/^output +chance_logits +float32 +\[batch, 8\]$/m);

    expect(await json('verify', BUNDLED)).toMatchObject({ ok: true, modelLabel: 'untrained-h32-s4', checks: expect.arrayContaining(['probes', 'determinism']) as unknown });
    const verified = await run('verify', BUNDLED, '--config', DEMO_PROFILE);
    expect(verified).toMatchObject({ code: 0, stdout: expect.stringMatching(/^chance_inference +reward +\S+e-\d+ +1e-3$/m) as string });
    const spoiled = join(place.directory, 'spoiled');
    cpSync(BUNDLED, spoiled, { recursive: true });
    writeFileSync(join(spoiled, 'initial_inference.onnx'), 'no graph');
    const failed = await run('verify', spoiled, '--json');
    expect([failed.code, JSON.parse(failed.stdout)]).toEqual([1, { version: 1, ok: false, check: 'files', detail: 'initial_inference.onnx has 8 bytes where model.json says 24114' }]);
    expect(await run('inspect', spoiled)).toMatchObject({ code: 64, stderr: expect.stringContaining('initial_inference.onnx is no ONNX file') as string });
    writeFileSync(join(spoiled, 'model.json'), '{}');
    for (const verb of ['inspect', 'verify', 'bench']) expect(await run(verb, spoiled)).toMatchObject({ code: 1, stdout: expect.stringMatching(/^REFUSED by check manifest: model.json: /) as string });
    expect(await run('verify', join(place.directory, 'none'))).toMatchObject({ code: 64, stderr: expect.stringContaining('cannot be read') as string });

    const timed = await json('bench', DETERMINISTIC, '--decisions', '3');
    expect(timed).toMatchObject({ simulations: 15, decisions: 3, rows: [{ what: 'initial_inference', calls: 3 }, { what: 'recurrent_inference', calls: 45 }, { what: 'decision', calls: 3 }] });
    expect(await run('bench', BUNDLED, '--decisions', 'many')).toMatchObject({ code: 64 });
  });
});
