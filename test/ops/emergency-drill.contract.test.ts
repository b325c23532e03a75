/** The drill of the emergency close: what its figures are, and one of it against a broker behind a slow line. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { TARGET, figuresOf } from '../../src/commands/emergency-drill.ts';
import type { DrillRun } from '../../src/commands/emergency-drill.ts';
import { Workplace } from '../e2e/processes.ts';

const took = (msToFlat: number | null, change: Partial<DrillRun> = {}): DrillRun => ({ msToFlat, exitCode: 47, isFlat: true, ...change });

describe('the figures of a drill', () => {
  test('are times that were measured, by the nearest rank', () => {
    const runs = Array.from({ length: 20 }, (_, index) => took(100 * (20 - index)));
    expect(figuresOf(runs)).toEqual({ p50Ms: 1_000, p95Ms: 1_900, maxMs: 2_000, failed: 0, met: true });
    expect(figuresOf([took(7)])).toEqual({ p50Ms: 7, p95Ms: 7, maxMs: 7, failed: 0, met: true });
  });

  test.each<readonly [string, readonly DrillRun[], boolean]>([
    ['19 of 20 just within the target, and one within the other', [...Array.from({ length: 19 }, () => took(TARGET.p95Ms)), took(TARGET.maxMs)], true],
    ['two of 20 beyond', [...Array.from({ length: 18 }, () => took(1)), took(TARGET.p95Ms + 1), took(TARGET.p95Ms + 1)], false],
    ['one beyond the longest', [...Array.from({ length: 19 }, () => took(1)), took(TARGET.maxMs + 1)], false],
    ['one that the tool did not call flat', [took(1), took(null)], false],
    ['one that the broker does not show flat', [took(1), took(1, { isFlat: false })], false],
    ['one with another exit code', [took(1), took(1, { exitCode: 45 })], false],
    ['none', [], false],
  ])('judge %s', (_what, runs, met) => {
    expect(figuresOf(runs).met).toBe(met);
  });
});

const drillSchema = z.object({ environment: z.literal('local'), pairs: z.array(z.string()), runs: z.int(), addedRoundTripMs: z.int(), p50Ms: z.int(), p95Ms: z.int(), maxMs: z.int(), failed: z.literal(0), met: z.literal(true), exitCodes: z.array(z.int()) });

describe('a drill', () => {
  test('opens, closes and measures behind a slow line, and leaves its record where it was told', async () => {
    const place = new Workplace();
    const file = join(place.directory, 'kept', 'drills.jsonl');
    const { code, stdout, stderr } = await place.command(['emergency-drill', '--runs', '2', '--pairs', 'EUR_USD,USD_JPY', '--round-trip-ms', '100', '--record', file, '--json'], {}, null);
    expect(code, stderr).toBe(0);
    const drill = drillSchema.parse(JSON.parse(stdout));
    expect(drill).toMatchObject({ pairs: ['EUR_USD', 'USD_JPY'], runs: 2, addedRoundTripMs: 100, exitCodes: [47] });
    // A look, the closes, and two looks that agree: four exchanges, none of them faster than its line.
    expect(drill.p50Ms).toBeGreaterThan(400);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(JSON.parse(stdout));
  });

  test('is never made on a live account, nor on a practice account that the configuration does not name', async () => {
    const place = new Workplace();
    const file = join(place.directory, 'drills.jsonl');
    const live = await place.command(['emergency-drill', '--environment', 'live', '--record', file], {}, null);
    expect([live.code, live.stderr]).toEqual([64, 'reckoner: --environment must be local or practice, not "live": no drill is made on a live account\n']);
    const local = await place.command(['emergency-drill', '--environment', 'practice', '--config', 'config/profiles/demo.yaml', '--record', file], {}, { rest: 'http://127.0.0.1:9', stream: 'http://127.0.0.1:9' });
    expect(local.code).toBe(64);
    expect(local.stderr).toContain('needs a configuration for practice');
    expect(existsSync(file)).toBe(false);
  });
});
