/** The reference model with something changed, loaded: what a loader must notice is made by changing its bytes. */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { loadOnnxModel } from '../../../adapters/onnx/loader.ts';
import type { LoadedModel, ModelRejection } from '../../../adapters/onnx/loader.ts';
import type { ModelExpectations } from '../../../models/contract/checks.ts';
import { MessageWriter, readFields } from '../../../models/contract/protobuf.ts';
import { UNTRAINED_DEFAULTS, untrainedModel } from '../../../models/reference/untrained.ts';
import { folderForTest } from '../../folders.ts';

export const EXPECTED: ModelExpectations = { featureSetId: 'swt-137', observationShape: [137], discount: 0.997, simulations: 15, decisionBudgetMs: 2_000 };

export type Files = Map<string, Uint8Array>;
export interface RawManifest {
  graphs: { graph: string; file: string; bytes: number; sha256: string }[];
  probes: { graph: string; inputs: Record<string, number[]>; outputs: Record<string, number[]> }[];
  [key: string]: unknown;
}

/** Loads the reference model after a change to its files; the manifest's hashes follow unless they are to be wrong. */
async function loadChanged(change: (files: Files, manifest: RawManifest) => void, options: { readonly rehash?: boolean; readonly expectations?: Partial<ModelExpectations> } = {}): Promise<LoadedModel | ModelRejection> {
  const files: Files = new Map(untrainedModel(UNTRAINED_DEFAULTS).files);
  const manifest = JSON.parse(new TextDecoder().decode(files.get('model.json'))) as RawManifest;
  change(files, manifest);
  if (options.rehash ?? true) {
    for (const entry of manifest.graphs) {
      const bytes = files.get(entry.file) ?? new Uint8Array(0);
      Object.assign(entry, { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') });
    }
  }
  files.set('model.json', new TextEncoder().encode(JSON.stringify(manifest)));
  const directory = folderForTest();
  for (const [name, bytes] of files) writeFileSync(join(directory, name), bytes);
  return loadOnnxModel(directory, { ...EXPECTED, ...options.expectations });
}

/** `check` may be left empty where several could notice first. */
export async function expectRejection(check: string, detail: RegExp, ...args: Parameters<typeof loadChanged>): Promise<void> {
  const result = await loadChanged(...args);
  if (result.ok) await result.evaluator.close();
  expect(result).toMatchObject({ ok: false, ...(check === '' ? {} : { check }), detail: expect.stringMatching(detail) as string });
}

/** Rewrites one top-level field of an ONNX file. */
export function rewrite(bytes: Uint8Array, field: number, value: (old: Uint8Array) => Uint8Array): Uint8Array {
  const message = new MessageWriter();
  for (const { number, value: found } of readFields(bytes)) {
    if (found?.kind === 'bytes') message.bytes(number, number === field ? value(found.value) : found.value);
    else if (found?.kind === 'integer') message.integer(number, Number(found.value));
  }
  return message.finish();
}

export const initialFile = 'initial_inference.onnx';
export const edit = (files: Files, field: number, value: (old: Uint8Array) => Uint8Array): void => {
  files.set(initialFile, rewrite(files.get(initialFile)!, field, value));
};
/** Adds a node to the graph whose output nobody reads. */
export const withNode = (old: Uint8Array, opType: string, domain = ''): Uint8Array =>
  Buffer.concat([old, new MessageWriter().bytes(1, new MessageWriter().text(1, 'hidden').text(2, 'unread').text(3, 'planted').text(4, opType).text(7, domain).finish()).finish()]);

/** Writes four bytes over the last occurrence of a tensor's data. */
export function overwriteWeight(bytes: Uint8Array, tensor: string, value: number): Uint8Array {
  return rewrite(bytes, 7, (graph) => rewrite(graph, 5, (initializer) => {
    if (!Buffer.from(initializer).includes(tensor)) return initializer;
    return rewrite(initializer, 9, (raw) => {
      const copy = raw.slice();
      new DataView(copy.buffer).setFloat32(0, value, true);
      return copy;
    });
  }));
}

/** Gives one metadata key another value, in every graph and in the manifest. */
export function tellOtherwise(files: Files, manifest: RawManifest, key: string, value: string): void {
  manifest[key] = value;
  for (const { file } of manifest.graphs) {
    files.set(file, rewrite(files.get(file)!, 14, (entry) => {
      const [name] = [...readFields(entry)];
      return name?.value?.kind === 'bytes' && Buffer.from(name.value.value).toString() === key ? new MessageWriter().text(1, key).text(2, value).finish() : entry;
    }));
  }
}

/** Renames a tensor wherever a graph speaks of it. */
export function renameTensor(bytes: Uint8Array, from: string, to: string): Uint8Array {
  const renamed = (old: Uint8Array): Uint8Array => (Buffer.from(old).toString() === from ? Buffer.from(to) : old);
  return rewrite(bytes, 7, (graph) => {
    const nodes = rewrite(graph, 1, (node) => rewrite(rewrite(node, 1, renamed), 2, renamed));
    return rewrite(rewrite(nodes, 11, (input) => rewrite(input, 1, renamed)), 12, (output) => rewrite(output, 1, renamed));
  });
}
