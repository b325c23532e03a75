/** One connection of a stream: lines in order after the connection's latency, a heartbeat every five seconds, and an end after twelve seconds of silence. */
import type { FeedEnd, FeedLine, FeedListener, FeedName } from '../../domain/broker.ts';
import type { InstrumentName } from '../../domain/instruments.ts';
import { SECOND_MS } from '../../domain/time.ts';
import type { Draws } from './draws.ts';
import type { SimProcess } from './process.ts';
import type { World } from './world.ts';

const HEARTBEAT_MS = 5 * SECOND_MS;
/** As the client's own limit. */
const SILENCE_MS_MAX = 12 * SECOND_MS;

export class SimFeed {
  readonly #world: World;
  readonly #process: SimProcess;
  readonly #name: FeedName;
  readonly #instruments: readonly InstrumentName[];
  readonly #listener: FeedListener;
  readonly #draws: Draws;
  readonly #latencyMs: number;
  #open = true;
  #lastAt = 0;
  #leave: () => void = () => {};

  constructor(world: World, process: SimProcess, name: FeedName, instruments: readonly InstrumentName[], listener: FeedListener, draws: Draws) {
    this.#world = world;
    this.#process = process;
    this.#name = name;
    this.#instruments = instruments;
    this.#listener = listener;
    this.#draws = draws;
    this.#latencyMs = draws.whole(1, world.options.latencyMsMax);
    world.scheduler.after(this.#latencyMs, process, () => this.#connect());
  }

  close(): void {
    this.#open = false;
    this.#leave();
  }

  end(detail: string, cause: FeedEnd): void {
    if (!this.#open) return;
    this.close();
    this.#process.resume(() => this.#listener.ended(detail, cause));
  }

  #connect(): void {
    const { faults, now } = this.#world;
    if (!this.#open) return;
    if (faults.during('refusedStreams', now)) return this.#draws.chance(0.5) ? this.end('status 503', 'unavailable') : this.end('the connection was refused', 'other');
    if (faults.during('deadLink', now)) return this.end('no connection was made', 'other');
    this.#lastAt = now;
    this.#process.resume(() => this.#listener.connected(null));
    this.#leave = this.#world.subscribe(this.#name, (line) => this.#send(line));
    if (this.#name === 'pricing') for (const line of this.#world.priceSnapshot(this.#instruments)) this.#send(line);
    this.#beat();
    this.#watch();
  }

  #beat(): void {
    if (!this.#open) return;
    this.#send({ kind: 'heartbeat', at: this.#world.brokerNow, lastTransactionId: this.#name === 'transactions' ? this.#world.lastTransactionIdShown() : null });
    this.#world.scheduler.after(HEARTBEAT_MS, null, () => this.#beat());
  }

  #watch(): void {
    this.#world.scheduler.after(this.#lastAt + SILENCE_MS_MAX - this.#world.now, this.#process, () => {
      if (!this.#open) return;
      if (this.#world.now - this.#lastAt >= SILENCE_MS_MAX) this.end(`silent for ${SILENCE_MS_MAX} ms`, 'other');
      else this.#watch();
    });
  }

  #send(line: FeedLine): void {
    const { faults, now, scheduler } = this.#world;
    if (faults.during('deadLink', now) || faults.during(this.#name === 'pricing' ? 'silentPricing' : 'silentTransactions', now) || faults.lineFault('droppedLine')) return;
    const late = faults.lineFault('lateLine') ? this.#draws.whole(100, 30 * SECOND_MS) : 0;
    scheduler.after(this.#latencyMs + late, this.#process, () => this.#arrive(line));
    if (faults.lineFault('duplicateLine')) scheduler.after(this.#latencyMs + late + this.#draws.whole(0, 2 * SECOND_MS), this.#process, () => this.#arrive(line));
  }

  #arrive(line: FeedLine): void {
    if (!this.#open) return;
    this.#lastAt = this.#world.now;
    this.#process.resume(() => this.#listener.line(line));
  }
}
