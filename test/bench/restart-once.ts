/**
 * One start on a log that is there: from the process's own beginning until the desk is known, in milliseconds. With
 * `prepare` it leaves a checkpoint that lies as far behind the log's end as one may.
 *
 * Usage: restart-once.ts <profile> <data directory> <root> [prepare]
 */
import { pino } from 'pino';
import { loadConfig } from '../../config/load.ts';
import { evolveDesk } from '../../domain/desk/evolve.ts';
import { initialDesk } from '../../domain/desk/state.ts';
import { usualInstrument } from '../../domain/instruments.ts';
import { headHash } from '../../domain/log.ts';
import type { StreamHead } from '../../domain/log.ts';
import { parseInstant } from '../../domain/time.ts';
import { EVENTS_BETWEEN } from '../../src/daemon/checkpoint.ts';
import { knownDesk, openLog } from '../../src/daemon/opening.ts';
import { eventsOf } from '../../src/daemon/recovery.ts';
import { deskSettings } from '../../src/desk-settings.ts';

const WINDOW_BARS = 256;
const [file = '', dataDirectory = '', baseDirectory = '', task] = process.argv.slice(2);
const { config, hash } = loadConfig({ file, baseDirectory, environment: { RECKONER_DEPLOYMENT_DATA_DIRECTORY: dataDirectory, RECKONER_BROKER_ACCOUNT_ID: '101-001-1234567-001' } });
const logger = pino({ level: 'silent' });
const settings = deskSettings(config, [usualInstrument('EUR_USD')], WINDOW_BARS);

const log = await openLog({ config, configHash: hash, logger });
if (task === 'prepare') {
  let state = initialDesk(settings);
  const heads = new Map<string, StreamHead>();
  const last = (await log.store.head()).sequence - EVENTS_BETWEEN;
  for await (const { recorded, event, metadata } of eventsOf(log.store)) {
    if (recorded.position > last) break;
    state = evolveDesk(state, event, parseInstant(metadata.occurredAt));
    heads.set(recorded.stream, recorded);
  }
  log.checkpoints.write({ sequence: last, position: last, hash: headHash([...heads.values()]) }, state);
} else {
  const desk = await knownDesk(log, settings, logger);
  process.stdout.write(`${JSON.stringify({ knownMs: performance.now(), fromCheckpoint: log.checkpoint !== null, bars: desk.books.get(settings.instruments[0]!.instrument.name)!.market.lastBarStart, rssMiB: process.memoryUsage().rss / 2 ** 20 })}\n`);
}
await log.store.close();
