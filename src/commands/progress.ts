/** Progress of long work: a bar on a terminal's stderr, nothing anywhere else. */
import { Presets, SingleBar } from 'cli-progress';

export interface Progress {
  update(done: number): void;
  stop(): void;
}

const SILENT: Progress = { update: () => undefined, stop: () => undefined };

export function progressBar(what: string, total: number): Progress {
  if (!process.stderr.isTTY || process.env['NO_COLOR'] !== undefined) return SILENT;
  const bar = new SingleBar({ stream: process.stderr, format: `${what} {bar} {percentage}% | {value}/{total} | {eta_formatted}`, hideCursor: true, clearOnComplete: true, fps: 5 }, Presets.shades_classic);
  bar.start(Math.max(1, total), 0);
  return { update: (done) => bar.update(done), stop: () => bar.stop() };
}
