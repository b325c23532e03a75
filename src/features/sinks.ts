/** Where feature rows go: CSV or Parquet, a file that has its name only once it is whole, or standard output. */
import { once } from 'node:events';
import { closeSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { fileWriter, ParquetWriter, schemaFromColumnData } from 'hyparquet-writer';
import type { FeatureSet } from '../../models/features/feature-set.ts';
import type { CloseSeries } from '../../models/features/rows.ts';
import { csvHeader, TIME_COLUMN } from './csv.ts';
import type { Stretch } from './pool.ts';

export interface RowSink {
  /** Whether it takes a stretch as text. */
  readonly asCsv: boolean;
  write(stretch: Stretch): Promise<void>;
  /** Ends the output; a file gets its name now. */
  finish(): Promise<void>;
  /** Gives up: an unfinished file goes away. */
  abandon(): void;
}

/** Rows of a Parquet row group: 30 MB of the widest set. */
const ROW_GROUP_ROWS = 16_384;

const partialOf = (path: string): string => `${path}.partial`;

export function standardOutputSink(features: FeatureSet): RowSink {
  let before = csvHeader(features);
  const put = async (text: string): Promise<void> => {
    if (!process.stdout.write(before + text)) await once(process.stdout, 'drain');
    before = '';
  };
  return { asCsv: true, write: ({ csv }) => put(csv), finish: () => put(''), abandon: () => undefined };
}

export function csvFileSink(path: string, features: FeatureSet): RowSink {
  const file = openSync(partialOf(path), 'w');
  let isOpen = true;
  const close = (): void => {
    if (isOpen) closeSync(file);
    isOpen = false;
  };
  writeFileSync(file, csvHeader(features));
  return {
    asCsv: true,
    async write({ csv }) {
      writeFileSync(file, csv);
    },
    async finish() {
      close();
      renameSync(partialOf(path), path);
    },
    abandon() {
      close();
      rmSync(partialOf(path), { force: true });
    },
  };
}

/** `bar_start` is a timestamp in milliseconds, the set's columns are floats; none is ever null. */
export function parquetSink(path: string, features: FeatureSet, { barStarts }: CloseSeries, metadata: Readonly<Record<string, string>>, createdBy: string): RowSink {
  const columnData = (bars: Int32Array, values: Float32Array) => [
    { name: TIME_COLUMN, type: 'TIMESTAMP' as const, nullable: false, data: BigInt64Array.from(bars, (bar) => BigInt(barStarts[bar]!)) },
    ...features.columns.map((name, column) => ({
      name, type: 'FLOAT' as const, nullable: false, data: Float32Array.from(bars, (_, row) => values[row * features.length + column]!),
    })),
  ];
  const writer = new ParquetWriter({
    writer: fileWriter(partialOf(path)),
    schema: schemaFromColumnData({ columnData: columnData(new Int32Array(0), new Float32Array(0)) }),
    kvMetadata: Object.entries(metadata).map(([key, value]) => ({ key, value })),
    createdBy,
  });
  const bars = new Int32Array(ROW_GROUP_ROWS);
  const values = new Float32Array(ROW_GROUP_ROWS * features.length);
  let waiting = 0;
  const writeGroup = async (): Promise<void> => {
    await writer.write({ columnData: columnData(bars.subarray(0, waiting), values), rowGroupSize: ROW_GROUP_ROWS });
    waiting = 0;
  };
  return {
    asCsv: false,
    async write(stretch) {
      for (let taken = 0; taken < stretch.bars.length;) {
        const until = Math.min(taken + ROW_GROUP_ROWS - waiting, stretch.bars.length);
        bars.set(stretch.bars.subarray(taken, until), waiting);
        values.set(stretch.values.subarray(taken * features.length, until * features.length), waiting * features.length);
        waiting += until - taken;
        taken = until;
        if (waiting === ROW_GROUP_ROWS) await writeGroup();
      }
    },
    async finish() {
      if (waiting > 0) await writeGroup();
      await writer.finish();
      renameSync(partialOf(path), path);
    },
    abandon() {
      rmSync(partialOf(path), { force: true });
    },
  };
}
