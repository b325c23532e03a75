/**
 * A storm: a random mix of faults over a span. Half of the presets are switched off for each seed, because a mix of
 * everything hides what a few faults alone would show.
 */
import { z } from 'zod';
import type { RawFault } from './presets.ts';
import { PRESETS } from './presets.ts';
import { drawsFor } from './random.ts';
import { integer } from '../../../config/schema.ts';
import { DAY_MS, HOUR_MS } from '../../../domain/time.ts';

const STORM_FAULTS_MAX = 5_000;
const preset = () => z.string().refine((name) => Object.hasOwn(PRESETS, name), 'must be the name of a preset');

export const stormSchema = z.strictObject({
  fromMs: integer(0, 400 * DAY_MS).default(0).describe('Market time from the start to the first fault.'),
  spanMs: integer(1, 400 * DAY_MS).describe('Market time over which faults begin.'),
  faultsPerHour: integer(1, 1_000).default(4).describe('Faults that begin in each hour, on average.'),
  presets: z.array(preset()).min(1).max(200).optional().describe('The presets to draw from; all when left out.'),
  without: z.array(preset()).max(200).default([]).describe('Presets to leave out.'),
}).refine((storm) => (storm.spanMs / HOUR_MS) * storm.faultsPerHour <= STORM_FAULTS_MAX, `must hold at most ${STORM_FAULTS_MAX} faults: shorten spanMs or lower faultsPerHour`);

/** What the seed made of a storm. */
export interface StormOutline {
  readonly fromMs: number;
  readonly spanMs: number;
  readonly faults: number;
  readonly on: readonly string[];
  readonly off: readonly string[];
}

/** Half of the presets, drawn; the larger half when their number is odd. */
function switchedOn(seed: number, names: readonly string[]): readonly string[] {
  const ranked = names.map((name) => ({ name, rank: drawsFor(seed, `storm preset ${name}`).share() })).sort((left, right) => left.rank - right.rank);
  return ranked.slice(0, Math.ceil(ranked.length / 2)).map(({ name }) => name);
}

/** Draws the storm's faults in the order of their beginnings. */
export function drawStorm(seed: number, storm: z.infer<typeof stormSchema>): { readonly entries: readonly RawFault[]; readonly outline: StormOutline } {
  const without = new Set(storm.without);
  const names = [...new Set(storm.presets ?? Object.keys(PRESETS))].filter((name) => !without.has(name)).sort();
  const on = switchedOn(seed, names);
  const count = on.length === 0 ? 0 : Math.max(1, Math.round((storm.spanMs / HOUR_MS) * storm.faultsPerHour));
  const drawn = Array.from({ length: count }, (_, index) => {
    const draws = drawsFor(seed, `storm fault ${index}`);
    return { name: on[draws.whole(0, on.length - 1)]!, atMs: storm.fromMs + draws.whole(0, storm.spanMs - 1) };
  }).sort((left, right) => left.atMs - right.atMs);
  return {
    entries: drawn.map(({ name, atMs }) => ({ preset: name, at: `+${atMs}ms` })),
    outline: { fromMs: storm.fromMs, spanMs: storm.spanMs, faults: count, on: [...on].sort(), off: names.filter((name) => !on.includes(name)) },
  };
}
