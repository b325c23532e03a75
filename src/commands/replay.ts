/** `reckoner replay`: the read models, or with `--decisions` every decision, made again from the log alone. It only reads. */
import { resolve } from 'node:path';
import { openReadModels } from '../../adapters/sqlite/read-models.ts';
import { ALL_PROJECTIONS } from '../../projections/index.ts';
import { stateHash } from '../../projections/state-hash.ts';
import { HEADS_TOLERANCE } from '../replay/heads.ts';
import { manifestIn } from '../replay/models.ts';
import { runReplay } from '../replay/run.ts';
import type { DecisionsReport, Findings, Mismatch, NetworksReport } from '../replay/tally.ts';
import { listed, load, say, sayJson, UsageError, warn } from './common.ts';
import type { OutputOptions } from './inspect.ts';
import { readOnlyStore } from './inspect.ts';
import { wholeOption } from './options.ts';
import { progressBar } from './progress.ts';
import { rebuildStateHash } from './rebuild.ts';

export interface ReplayOptions extends OutputOptions {
  readonly decisions: boolean;
  readonly until?: string;
  readonly model?: readonly string[];
}

const untilOf = ({ until }: ReplayOptions): number | null => (until === undefined ? null : wholeOption(until, 'until', 0, Number.MAX_SAFE_INTEGER));

export function replay(options: ReplayOptions): Promise<number> {
  if (options.decisions) return replayDecisions(options);
  if (options.model !== undefined) throw new UsageError('--model is for --decisions');
  return replayReadModels(options);
}

/** Rebuilds every read model from the log alone and holds it against the live ones, at the same event. */
async function replayReadModels(options: ReplayOptions): Promise<number> {
  const { config } = load(options);
  const until = untilOf(options);
  const store = readOnlyStore(config);
  try {
    const models = openReadModels(config.deployment.dataDirectory);
    try {
      // Both sides must stand at one event: the live rows are hashed inside one read transaction, then the log is folded up to it.
      const live = models.atOnce(() => ({ position: models.headPosition(), hash: stateHash(ALL_PROJECTIONS, models) }));
      const last = Math.min(until ?? live.position, live.position);
      const bar = progressBar('replay', last + 1);
      const rebuilt = await rebuildStateHash(store, last, (done) => bar.update(done));
      bar.stop();
      // Live rows of an earlier event are kept by nobody.
      const isComparable = last === live.position;
      const differing = ALL_PROJECTIONS.map((projection) => projection.name).filter((name) => isComparable && rebuilt.byProjection[name] !== live.hash.byProjection[name]);
      const report = { version: 1, events: last + 1, stateHash: rebuilt.total, liveHash: isComparable ? live.hash.total : null, equal: isComparable ? differing.length === 0 : null, differing };
      if (options.json) sayJson(report);
      else {
        say(`events      ${report.events}`);
        say(`state hash  ${report.stateHash} (rebuilt from the log)`);
        say(isComparable ? `            ${live.hash.total} (live read models)` : `            not compared: the live read models stand at event ${live.position}`);
        if (isComparable) say(report.equal === true ? 'equal' : `DIFFERENT: ${differing.join(', ')}`);
      }
      return report.equal === false ? 1 : 0;
    } finally {
      models.close();
    }
  } finally {
    await store.close();
  }
}

// --- decisions ---

async function replayDecisions(options: ReplayOptions): Promise<number> {
  const { config, hash } = load(options);
  const until = untilOf(options);
  const modelHashes = await namedModels(options.model ?? []);
  const store = readOnlyStore(config);
  try {
    const { sequence } = await store.head();
    const last = Math.min(until ?? sequence, sequence);
    const bar = progressBar('replay', last + 1);
    const report = await runReplay({ log: store, config, configHash: hash, last, modelDirectories: [...modelHashes.keys()], progress: (done) => bar.update(done) }).finally(() => bar.stop());
    for (const [directory, modelHash] of modelHashes) {
      if (report.networks.every((networks) => networks.modelHash !== modelHash)) warn(`--model ${directory}: no decision was made by this model`);
    }
    if (options.json) sayJson(report);
    else sayDecisions(report);
    return report.equal ? 0 : 1;
  } finally {
    await store.close();
  }
}

/** The hash of each model that the command line names, by its directory. @throws UsageError */
async function namedModels(named: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const hashes = new Map<string, string>();
  for (const directory of named.map((name) => resolve(name))) {
    const manifest = await manifestIn(directory);
    if (manifest === null) throw new UsageError(`--model ${directory}: no model.json can be read there`);
    hashes.set(directory, manifest.modelHash);
  }
  return hashes;
}

function sayDecisions(report: DecisionsReport): void {
  const { events, decisions, byPolicy, skipped, otherConfiguration, observations, features, searches, baselines, networks, chainFault, different, first, equal } = report;
  say(`events        ${events}, ${chainFault === null ? 'their hash chain is whole' : `CHAIN BROKEN at ${chainFault.stream}@${chainFault.revision} (event ${chainFault.position}): ${chainFault.reason}`}`);
  say(`decisions     ${decisions}: ${listed(byPolicy)}`);
  say(`skipped       ${listed(skipped)}`);
  if (otherConfiguration > 0) say(`configuration ${otherConfiguration} decisions were made under another one than this: searches take their settings from the record, windows their rules from this one`);
  say(`observations  ${findings(observations)}`);
  say(`features      ${findings(features)}`);
  if (count(searches) > 0) say(`searches      ${findings(searches)}`);
  if (count(baselines) > 0) say(`baselines     ${findings(baselines)}`);
  for (const each of networks) say(`networks      ${each.modelLabel} ${each.modelHash.slice(0, 12)}: ${networksVerdict(each)}`);
  const isWhole = [observations, features, searches, baselines].every(({ none }) => none === 0) && networks.every(({ verdict }) => verdict !== 'notAtHand');
  say(equal ? `equal${isWhole ? '' : ', as far as they could be made again'}` : different === 0 ? 'DIFFERENT: the chain is broken' : `DIFFERENT: ${different} of ${decisions} decisions, the first at ${placeOf(first)}`);
}

const count = ({ equal, different, none }: Findings): number => equal + different + none;

const findings = ({ equal, different, none }: Findings): string =>
  [`${equal} equal`, ...(different === 0 ? [] : [`${different} DIFFERENT`]), ...(none === 0 ? [] : [`${none} not recomputed`])].join(', ');

function networksVerdict({ verdict, decisions, bitExact, within, beyond, deviationMax, refusal }: NetworksReport): string {
  const furthest = `largest deviation ${deviationMax.toExponential(2)}`;
  switch (verdict) {
    case 'notAtHand':
      return `not at hand, ${decisions} decisions not held against them${refusal === null ? '; name their directory with --model' : `; refused: ${refusal}`}`;
    case 'bit-exact':
      return `bit-exact in ${bitExact} decisions`;
    case 'within':
      return `within ${HEADS_TOLERANCE} in ${within} decisions, ${furthest}; bit-exact in ${bitExact}`;
    case 'beyond':
      return `DIFFERENT by more than ${HEADS_TOLERANCE} in ${beyond} decisions, ${furthest}`;
  }
}

function placeOf(first: Mismatch | null): string {
  if (first === null) return 'no place';
  const { event, stream, revision, decisionId, instrument, barStart, field, recorded, recomputed, otherConfiguration } = first;
  return `event ${event} (${stream}@${revision}, decision ${decisionId} on ${instrument} ${barStart}${otherConfiguration ? ', made under another configuration' : ''}):
${field} is recorded as ${recorded} and comes out as ${recomputed}`;
}
