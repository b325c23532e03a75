/** Virtual time: what is to happen, in order of time and, at one instant, of being scheduled. */

export interface Scheduled {
  /** Moved on while the process that it happens in is held up. */
  at: number;
  readonly order: number;
  readonly act: () => void;
  /** Of the process that it happens in; null for the world outside. What a process does waits while its loop is held up, and dies with it. */
  readonly owner: Owner | null;
  cancelled: boolean;
}

export interface Owner {
  readonly alive: boolean;
  /** Nothing of the process runs before this time. */
  readonly heldUpUntil: number;
}

export class Scheduler {
  #heap: Scheduled[] = [];
  #order = 0;
  now: number;

  constructor(now: number) {
    this.now = now;
  }

  schedule(at: number, owner: Owner | null, act: () => void): Scheduled {
    const entry: Scheduled = { at: Math.max(at, this.now), order: this.#order++, act, owner, cancelled: false };
    this.#push(entry);
    return entry;
  }

  after(durationMs: number, owner: Owner | null, act: () => void): Scheduled {
    return this.schedule(this.now + durationMs, owner, act);
  }

  /** When the next one is due, Infinity with none left. */
  nextAt(): number {
    while (this.#heap.length > 0) {
      const first = this.#heap[0]!;
      if (first.cancelled || first.owner?.alive === false) this.#pop();
      else if (first.owner !== null && first.owner.heldUpUntil > first.at) this.#holdUp(this.#pop(), first.owner);
      else return first.at;
    }
    return Infinity;
  }

  /** Does the next one, which `nextAt` has named; time moves to it. */
  step(): void {
    const entry = this.#pop();
    this.now = entry.at;
    entry.act();
  }

  #holdUp(entry: Scheduled, { heldUpUntil }: Owner): void {
    entry.at = heldUpUntil;
    this.#push(entry);
  }

  #before(left: Scheduled, right: Scheduled): boolean {
    return left.at < right.at || (left.at === right.at && left.order < right.order);
  }

  #push(entry: Scheduled): void {
    const heap = this.#heap;
    let index = heap.push(entry) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#before(heap[index]!, heap[parent]!)) return;
      [heap[index], heap[parent]] = [heap[parent]!, heap[index]!];
      index = parent;
    }
  }

  #pop(): Scheduled {
    const heap = this.#heap;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length > 0) heap[0] = last;
    for (let index = 0; ; ) {
      const left = 2 * index + 1;
      const right = left + 1;
      let least = index;
      if (left < heap.length && this.#before(heap[left]!, heap[least]!)) least = left;
      if (right < heap.length && this.#before(heap[right]!, heap[least]!)) least = right;
      if (least === index) return first;
      [heap[index], heap[least]] = [heap[least]!, heap[index]!];
      index = least;
    }
  }
}
