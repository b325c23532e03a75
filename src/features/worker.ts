/** One of the threads that compute feature rows: it answers each stretch of windows that it is sent, in order. */
import { parentPort, workerData } from 'node:worker_threads';
import { createFeatureSet } from '../../models/features/catalogue.ts';
import { featureRows } from '../../models/features/rows.ts';
import { csvLines } from './csv.ts';
import type { Stretch, WorkerInput } from './pool.ts';

const port = parentPort!;
const { featureSetId, series, asCsv } = workerData as WorkerInput;
const features = createFeatureSet(featureSetId);

port.on('message', (ends: Int32Array) => {
  const rows = featureRows(features, series, ends);
  const stretch: Stretch = { ...rows, csv: asCsv ? csvLines(rows, series, features) : '' };
  port.postMessage(stretch, [rows.values.buffer as ArrayBuffer]);
});
