/**
 * As much of the protobuf wire format as ONNX files use: varints, 32-bit floats and length-delimited fields.
 * Fields of 64 bits fixed width are skipped, groups are refused.
 */

/** Raised for bytes that are no protobuf message, naming the offset. */
export class ProtobufError extends Error {
  override readonly name = 'ProtobufError';
}

const VARINT_BYTES_MAX = 10;

export type WireValue = { readonly kind: 'integer'; readonly value: bigint } | { readonly kind: 'bytes'; readonly value: Uint8Array };

export interface Field {
  readonly number: number;
  /** Null for fixed-width fields, whose values nobody here needs. */
  readonly value: WireValue | null;
}

function readVarint(bytes: Uint8Array, start: number): { readonly value: bigint; readonly end: number } {
  let value = 0n;
  for (let i = 0; i < VARINT_BYTES_MAX; i += 1) {
    const byte = bytes[start + i];
    if (byte === undefined) throw new ProtobufError(`byte ${start + i}: a number is cut off`);
    value |= BigInt(byte & 0x7f) << BigInt(7 * i);
    if (byte < 0x80) return { value: BigInt.asUintN(64, value), end: start + i + 1 };
  }
  throw new ProtobufError(`byte ${start + VARINT_BYTES_MAX}: a number runs over ${VARINT_BYTES_MAX} bytes`);
}

/** @throws ProtobufError while iterating, where the bytes end early or make no sense. */
export function* readFields(bytes: Uint8Array): Generator<Field> {
  let offset = 0;
  const varint = (): bigint => {
    const { value, end } = readVarint(bytes, offset);
    offset = end;
    return value;
  };
  const take = (length: number): Uint8Array => {
    if (offset + length > bytes.length) throw new ProtobufError(`byte ${offset}: a field of ${length} bytes is cut off`);
    offset += length;
    return bytes.subarray(offset - length, offset);
  };
  while (offset < bytes.length) {
    const start = offset;
    const tag = varint();
    const number = Number(tag >> 3n);
    if (number === 0) throw new ProtobufError(`byte ${start}: field number 0`);
    switch (Number(tag & 7n)) {
      case 0: yield { number, value: { kind: 'integer', value: varint() } }; break;
      case 1: take(8); yield { number, value: null }; break;
      case 2: yield { number, value: { kind: 'bytes', value: take(Number(varint())) } }; break;
      case 5: take(4); yield { number, value: null }; break;
      default: throw new ProtobufError(`byte ${start}: wire type ${tag & 7n} is none that ONNX uses`);
    }
  }
}

/** @throws ProtobufError when the field is no length-delimited one. */
export function bytesOf(field: Field): Uint8Array {
  if (field.value?.kind !== 'bytes') throw new ProtobufError(`field ${field.number} is not length-delimited`);
  return field.value.value;
}

/** @throws ProtobufError when the field is no integer, or one too large to be exact. */
export function integerOf(field: Field): number {
  if (field.value?.kind !== 'integer') throw new ProtobufError(`field ${field.number} is not an integer`);
  const value = Number(BigInt.asIntN(64, field.value.value));
  if (!Number.isSafeInteger(value)) throw new ProtobufError(`field ${field.number}: ${field.value.value} is out of range`);
  return value;
}

/** Whole numbers that stand one behind the other in one field. @throws ProtobufError where they are cut off or too large. */
export function packedIntegers(bytes: Uint8Array): readonly number[] {
  const values: number[] = [];
  for (let offset = 0; offset < bytes.length;) {
    const read = readVarint(bytes, offset);
    values.push(integerOf({ number: values.length, value: { kind: 'integer', value: read.value } }));
    offset = read.end;
  }
  return values;
}

/** @throws ProtobufError when the field is no UTF-8 text. */
export function textOf(field: Field): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytesOf(field));
  } catch (error) {
    throw new ProtobufError(`field ${field.number} is not UTF-8 text`, { cause: error });
  }
}

/** Builds one message; a nested message is another writer's `finish()`. */
export class MessageWriter {
  readonly #chunks: Uint8Array[] = [];
  #length = 0;

  integer(field: number, value: number): this {
    return this.#varint(BigInt(field) << 3n).#varint(BigInt.asUintN(64, BigInt(value)));
  }

  float(field: number, value: number): this {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setFloat32(0, value, true);
    return this.#varint((BigInt(field) << 3n) | 5n).#append(bytes);
  }

  text(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value));
  }

  bytes(field: number, value: Uint8Array): this {
    return this.#varint((BigInt(field) << 3n) | 2n).#varint(BigInt(value.length)).#append(value);
  }

  finish(): Uint8Array {
    const message = new Uint8Array(this.#length);
    let offset = 0;
    for (const chunk of this.#chunks) {
      message.set(chunk, offset);
      offset += chunk.length;
    }
    return message;
  }

  #varint(value: bigint): this {
    const bytes: number[] = [];
    let rest = value;
    for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
    bytes.push(Number(rest));
    return this.#append(Uint8Array.from(bytes));
  }

  #append(chunk: Uint8Array): this {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    return this;
  }
}
