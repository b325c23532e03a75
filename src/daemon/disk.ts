/** Measures the room that is left for the log; live only. */
import { statfs } from 'node:fs/promises';

const INTERVAL_MS = 60_000;

export interface DiskWatchOptions {
  readonly directory: string;
  readonly measured: (freeBytes: number) => void;
  /** Told when the file system cannot be asked. */
  readonly failed: (error: unknown) => void;
}

/** Measures now and every minute. @returns whatever ends it. */
export function watchDisk({ directory, measured, failed }: DiskWatchOptions): () => void {
  let isOver = false;
  const measure = (): void => {
    statfs(directory).then(({ bavail, bsize }) => {
      if (!isOver) measured(bavail * bsize);
    }, failed);
  };
  const interval = setInterval(measure, INTERVAL_MS);
  measure();
  return () => {
    isOver = true;
    clearInterval(interval);
  };
}
