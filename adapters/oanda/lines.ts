/** Cuts a stream of bytes into lines, whatever the borders of the chunks that they arrive in. */

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** A line is over the limit or no UTF-8; the stream cannot be trusted any further. */
export class LineError extends Error {
  override readonly name = 'LineError';
}

interface LineSplitter {
  /** Takes a chunk and returns the lines that it completes, blank ones left out. @throws LineError */
  push(chunk: Uint8Array): readonly string[];
  /** Bytes held of a line that is not complete yet. */
  pendingBytes(): number;
}

/** @param lineBytesMax longest line accepted, its line feed not counted; also the bound of what is held. */
export function createLineSplitter(lineBytesMax: number): LineSplitter {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let held: Uint8Array[] = [];
  let heldBytes = 0;

  const hold = (part: Uint8Array): void => {
    heldBytes += part.byteLength;
    if (heldBytes > lineBytesMax) throw new LineError(`a line is over ${lineBytesMax} bytes`);
    held.push(part);
  };
  const decode = (bytes: Uint8Array): string => {
    const end = bytes.at(-1) === CARRIAGE_RETURN ? bytes.byteLength - 1 : bytes.byteLength;
    try {
      return decoder.decode(bytes.subarray(0, end));
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      throw new LineError('a line is no UTF-8');
    }
  };

  return {
    push(chunk) {
      const lines: string[] = [];
      let start = 0;
      for (let feed = chunk.indexOf(LINE_FEED); feed >= 0; feed = chunk.indexOf(LINE_FEED, start)) {
        hold(chunk.subarray(start, feed));
        const line = decode(held.length === 1 ? held[0]! : Buffer.concat(held));
        if (line.trim() !== '') lines.push(line);
        held = [];
        heldBytes = 0;
        start = feed + 1;
      }
      if (start < chunk.byteLength) hold(chunk.subarray(start));
      return lines;
    },
    pendingBytes: () => heldBytes,
  };
}
