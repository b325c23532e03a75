/** `reckoner features`: the rows that a policy would have seen, for a trainer of one's own. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, dirname, resolve } from 'node:path';
import { readBarsFile } from '../../adapters/broker/bars/csv.ts';
import type { BarSeries } from '../../adapters/broker/bars/series.ts';
import { OANDA_CALENDAR } from '../../domain/calendar.ts';
import { usualInstrument } from '../../domain/instruments.ts';
import type { Instrument } from '../../domain/instruments.ts';
import { createFeatureSet, FEATURE_SET_IDS } from '../../models/features/catalogue.ts';
import type { FeatureSet } from '../../models/features/feature-set.ts';
import { windowEnds } from '../../models/features/rows.ts';
import type { CloseSeries, FeatureRows } from '../../models/features/rows.ts';
import { rowsOnAllCores } from '../features/pool.ts';
import { csvFileSink, parquetSink, standardOutputSink } from '../features/sinks.ts';
import type { RowSink } from '../features/sinks.ts';
import { BUILD, UsageError, warn } from './common.ts';
import { numberOption, spreadOption } from './options.ts';
import { progressBar } from './progress.ts';

export interface FeaturesCommand {
  readonly set: string;
  readonly bars: string;
  readonly instrument: string;
  readonly spreadPips: string;
  readonly windowGapMinutes: string;
  readonly alwaysOpen: boolean;
  readonly out?: string;
}

const WINDOW_GAP_MINUTES_MAX = 1_440;

/** The closes as the desk takes them from the broker's bars: the middle of bid and ask, to the same bits. */
export function closesOf(bars: BarSeries, { displayPrecision }: Instrument): CloseSeries {
  // A mid is a whole number of half points, so one division rounds it as the desk's own numbers do.
  const halfPoints = 2 * 10 ** displayPrecision;
  return {
    barStarts: Float64Array.from({ length: bars.count }, (_, bar) => bars.start(bar)),
    midCloses: Float64Array.from({ length: bars.count }, (_, bar) => (bars.bid(bar).close + bars.ask(bar).close) / halfPoints),
  };
}

function sinkFor(command: FeaturesCommand, features: FeatureSet, series: CloseSeries): RowSink {
  const { out } = command;
  if (out === undefined) return standardOutputSink(features);
  if (out.endsWith('.csv')) return csvFileSink(out, features);
  return parquetSink(out, features, series, {
    feature_set_id: features.id,
    shape: features.shape.join(','),
    position: 'flat',
    instrument: command.instrument,
    bars_file: basename(command.bars),
    bars_sha256: createHash('sha256').update(readFileSync(command.bars)).digest('hex'),
    window_gap_minutes_max: command.windowGapMinutes,
    always_open: String(command.alwaysOpen),
  }, BUILD);
}

function checkOut(out: string): void {
  if (!/\.(csv|parquet)$/.test(out)) throw new UsageError(`--out ${out}: give a name that ends in .csv or .parquet`);
  if (!existsSync(dirname(resolve(out)))) throw new UsageError(`--out ${out}: there is no such directory; make it first`);
}

/** What is written, what is not and why. */
class Tally {
  rows = 0;
  readonly #refused = new Map<string, number>();

  add({ bars, refused }: FeatureRows): void {
    this.rows += bars.length;
    for (const [code, count] of Object.entries(refused)) this.#refused.set(code, (this.#refused.get(code) ?? 0) + count);
  }

  get windows(): number {
    return [...this.#refused.values()].reduce((sum, count) => sum + count, this.rows);
  }

  get refusals(): string {
    return [...this.#refused].map(([code, count]) => `, ${count} refused (${code})`).join('');
  }
}

/** @returns the exit code: 1 when not one bar gave a row. */
export async function writeFeatures(command: FeaturesCommand): Promise<number> {
  const { out } = command;
  if (out !== undefined) checkOut(out);
  if (!FEATURE_SET_IDS.includes(command.set)) throw new UsageError(`--set must be ${FEATURE_SET_IDS.join(', ')}, not "${command.set}"`);
  const features = createFeatureSet(command.set);
  const instrument = usualInstrument(command.instrument);
  const windowGapMinutesMax = numberOption(command.windowGapMinutes, 'window-gap-minutes', 0, WINDOW_GAP_MINUTES_MAX);
  const bars = readBarsFile(command.bars, { instrument, spreadPips: spreadOption(command.spreadPips) });
  const series = closesOf(bars, instrument);
  const ends = windowEnds(series, { calendar: { ...OANDA_CALENDAR, alwaysOpen: command.alwaysOpen }, windowBars: features.windowBars, windowGapMinutesMax });
  const tally = new Tally();
  const sink = sinkFor(command, features, series);
  const progress = progressBar('windows', ends.length);
  try {
    for await (const stretch of rowsOnAllCores({ featureSetId: features.id, series, asCsv: sink.asCsv }, ends, availableParallelism())) {
      await sink.write(stretch);
      tally.add(stretch);
      progress.update(tally.windows);
    }
    await sink.finish();
  } catch (error) {
    sink.abandon();
    throw error;
  } finally {
    progress.stop();
  }
  warn(`${tally.rows} rows of ${features.id} from ${bars.count} bars: ${bars.count - ends.length} without a window of ${features.windowBars}${tally.refusals}`);
  return tally.rows > 0 ? 0 : 1;
}
