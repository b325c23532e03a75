/** Faults of the two streams, put between the hub and a listener's socket. */
import type { FaultInjector, Struck } from './injector.ts';
import type { Fault, FaultKind } from './kinds.ts';
import { badPrice } from './prices.ts';
import type { Body } from '../engine/bodies.ts';
import type { LineOutlet, SentLine, StreamTamper } from '../streams.ts';
import type { Venue } from '../venue.ts';
import { formatInstant, plusMs } from '../../../domain/time.ts';

const CONTENT: ReadonlySet<FaultKind> = new Set<FaultKind>(['badPrice', 'clockSkew', 'heartbeatAhead', 'withheldTransactions']);
const PASSAGE: ReadonlySet<FaultKind> = new Set<FaultKind>(['dropLines', 'duplicateLines', 'lateLines', 'reorderedLines', 'slicedLines', 'mergedLines', 'badLine', 'cutStream']);
/** Pieces that wait on one connection. */
const PIECES_MAX = 10_000;
const SLICE_PAUSE_MS = 2;

const isHeartbeat = (body: Body): boolean => body['type'] === 'HEARTBEAT';

/** Does a fault of lines look at this line at all? Late, reordered and replaced lines are lines of data. */
function concerns(fault: Fault, line: SentLine): boolean {
  if ('stream' in fault && fault.stream !== undefined && fault.stream !== line.stream) return false;
  const heartbeat = isHeartbeat(line.body);
  switch (fault.kind) {
    case 'badPrice':
      return line.stream === 'pricing' && !heartbeat && (fault.instrument === undefined || fault.instrument === line.body['instrument']);
    case 'clockSkew':
      return heartbeat;
    case 'heartbeatAhead':
      return heartbeat && line.stream === 'transactions';
    case 'withheldTransactions':
      return line.stream === 'transactions' && !heartbeat && (fault.type === undefined || fault.type === line.body['type']);
    case 'dropLines':
      return fault.lines === 'all' || (fault.lines === 'heartbeats') === heartbeat;
    case 'cutStream':
      return !fault.midLine || !heartbeat;
    case 'lateLines':
    case 'reorderedLines':
    case 'badLine':
      return !heartbeat;
    default:
      return true;
  }
}

const nameOf = (line: SentLine): Body => ({ stream: line.stream, connection: line.connection, type: line.body['type'] ?? null, at: line.body['time'] ?? null });

/** What stands in the place of a line. */
function replacement(struck: Struck, line: SentLine): string | Buffer {
  const { fault, draws } = struck;
  if (fault.kind !== 'badLine') throw new Error(`${fault.kind} replaces no line`);
  const text = line.render(line.body);
  switch (fault.form) {
    case 'garbage':
      return Buffer.from(Array.from({ length: 40 }, () => draws.whole(33, 126)));
    case 'truncated':
      return text.slice(0, Math.max(1, Math.floor(text.length / 2)));
    case 'oversized':
      return text.padEnd(fault.bytes, ' ');
    case 'html':
      return '<html><body><h1>502 Bad Gateway</h1></body></html>';
    case 'notUtf8':
      return Buffer.concat([Buffer.from('{"type":"'), Buffer.from([0xc3, 0x28, 0xff]), Buffer.from('"}')]);
    case 'unknownType':
      return line.render({ ...line.body, type: 'SOMETHING_UNHEARD_OF' });
  }
}

/** What waits on one connection. */
interface Waiting {
  /** A line that the next one overtakes. */
  overtaken: string | null;
  /** Lines that go out together. */
  merged: string[];
  /** Pieces that go out one by one, and whatever comes behind them. */
  pieces: (string | Uint8Array)[];
}

export class StreamFaults implements StreamTamper {
  readonly #injector: FaultInjector;
  readonly #venue: Venue;
  readonly #waiting = new WeakMap<LineOutlet, Waiting>();

  constructor(injector: FaultInjector, venue: Venue) {
    this.#injector = injector;
    this.#venue = venue;
  }

  pass(line: SentLine, outlet: LineOutlet): void {
    const body = this.#content(line);
    if (body === null) return;
    const changed: SentLine = { ...line, body };
    const struck = this.#injector.lineStruck(PASSAGE, (fault) => concerns(fault, changed), line.stream);
    let passing = true;
    for (const each of struck) passing = passing && this.#passage(each, changed, outlet);
    if (passing) this.#sendLine(changed.render(changed.body), outlet);
  }

  /** The line's body after the faults of what it says; null when it is withheld. */
  #content(line: SentLine): Body | null {
    let { body } = line;
    for (const { live, fault } of this.#injector.lineStruck(CONTENT, (each) => concerns(each, line), `${line.stream} content`)) {
      if (!this.#injector.hit(live, nameOf(line))) continue;
      if (fault.kind === 'withheldTransactions') return null;
      if (fault.kind === 'badPrice') body = badPrice(fault, body, this.#venue.now) ?? body;
      if (fault.kind === 'clockSkew') body = { ...body, time: formatInstant(plusMs(this.#venue.now, fault.skewMs)) };
      if (fault.kind === 'heartbeatAhead') body = { ...body, lastTransactionID: String(Number(body['lastTransactionID']) + fault.by) };
    }
    return body;
  }

  /** Does what a fault does to the passage of a line; true when the line itself is still to be sent. */
  #passage(struck: Struck, line: SentLine, outlet: LineOutlet): boolean {
    const { live, fault } = struck;
    if (!this.#injector.hit(live, nameOf(line))) return true;
    const text = line.render(line.body);
    switch (fault.kind) {
      case 'dropLines':
        return false;
      case 'duplicateLines':
        for (let copy = 0; copy < fault.copies; copy += 1) this.#send(`${text}\n`, 1, outlet);
        return true;
      case 'lateLines':
        this.#venue.schedule(plusMs(this.#venue.now, fault.delayMs), () => this.#send(`${text}\n`, 1, outlet));
        return false;
      case 'reorderedLines':
        return !this.#overtake(text, outlet);
      case 'mergedLines':
        this.#merge(text, outlet, fault.lines);
        return false;
      case 'slicedLines':
        this.#sendSlices(Buffer.from(`${text}\n`), fault.bytes, outlet);
        return false;
      case 'badLine':
        this.#send(Buffer.concat([Buffer.from(replacement(struck, line)), Buffer.from('\n')]), 1, outlet);
        return false;
      case 'cutStream':
        outlet.send(fault.midLine ? text.slice(0, Math.ceil(text.length / 2)) : `${text}\n`, fault.midLine ? 0 : 1);
        outlet.cut();
        return false;
      default:
        return true;
    }
  }

  #waitingOf(outlet: LineOutlet): Waiting {
    const waiting = this.#waiting.get(outlet) ?? { overtaken: null, merged: [], pieces: [] };
    this.#waiting.set(outlet, waiting);
    return waiting;
  }

  /** Holds a line until the next one has passed; false when one waits already. */
  #overtake(text: string, outlet: LineOutlet): boolean {
    const waiting = this.#waitingOf(outlet);
    if (waiting.overtaken !== null) return false;
    waiting.overtaken = text;
    return true;
  }

  #merge(text: string, outlet: LineOutlet, lines: number): void {
    const waiting = this.#waitingOf(outlet);
    waiting.merged.push(text);
    if (waiting.merged.length >= lines) this.#sendMerged(waiting, outlet);
  }

  /** Sends a line, after those that wait to go with it and before the one that it overtakes. */
  #sendLine(text: string, outlet: LineOutlet): void {
    const waiting = this.#waiting.get(outlet);
    if (waiting === undefined) return outlet.send(`${text}\n`, 1);
    this.#sendMerged(waiting, outlet);
    this.#send(`${text}\n`, 1, outlet);
    if (waiting.overtaken !== null) this.#send(`${waiting.overtaken}\n`, 1, outlet);
    waiting.overtaken = null;
  }

  #sendMerged(waiting: Waiting, outlet: LineOutlet): void {
    const { merged } = waiting;
    if (merged.length === 0) return;
    waiting.merged = [];
    this.#send(`${merged.join('\n')}\n`, merged.length, outlet);
  }

  /** Pieces of a line, a moment apart. The line counts from its first piece on: the others follow in any case. */
  #sendSlices(whole: Buffer, bytes: number, outlet: LineOutlet): void {
    const { pieces } = this.#waitingOf(outlet);
    const idle = pieces.length === 0;
    for (let start = 0; start < whole.length; start += bytes) pieces.push(whole.subarray(start, start + bytes));
    outlet.send('', 1);
    if (idle) this.#sendNextPiece(outlet);
  }

  #sendNextPiece(outlet: LineOutlet): void {
    const { pieces } = this.#waitingOf(outlet);
    const piece = pieces[0];
    if (piece === undefined) return;
    outlet.send(piece, 0);
    setTimeout(() => {
      pieces.shift();
      this.#sendNextPiece(outlet);
    }, SLICE_PAUSE_MS).unref();
  }

  /** Sends behind the pieces that are still going out; with too many of those all go at once. */
  #send(bytes: string | Uint8Array, lines: number, outlet: LineOutlet): void {
    const waiting = this.#waitingOf(outlet);
    if (waiting.pieces.length === 0) return outlet.send(bytes, lines);
    outlet.send('', lines);
    waiting.pieces.push(bytes);
    if (waiting.pieces.length <= PIECES_MAX) return;
    for (const piece of waiting.pieces.splice(1)) outlet.send(piece, 0);
  }
}
