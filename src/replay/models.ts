/** Models that are at hand: of the directories that may hold one, those whose model the log names by its hash. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadOnnxModel } from '../../adapters/onnx/loader.ts';
import type { LoadedModel } from '../../adapters/onnx/loader.ts';
import { readManifest } from '../../models/contract/manifest.ts';
import { FEATURE_SET_IDS } from '../../models/features/catalogue.ts';
import { ownExpectations } from '../daemon/policy.ts';

export interface ModelsAtHand {
  /** By hash. */
  readonly loaded: ReadonlyMap<string, LoadedModel>;
  /** Why a model of this hash, though found, was not loaded. */
  readonly refused: ReadonlyMap<string, string>;
  close(): Promise<void>;
}

interface ManifestAtHand {
  readonly bytes: Uint8Array;
  readonly modelHash: string;
}

/** A directory's manifest; null where none can be read, which is a model that is not at hand. */
export async function manifestIn(directory: string): Promise<ManifestAtHand | null> {
  try {
    const bytes = await readFile(join(directory, 'model.json'));
    return { bytes, modelHash: createHash('sha256').update(bytes).digest('hex') };
  } catch (error) {
    if (error instanceof Error && 'code' in error) return null;
    throw error;
  }
}

/** Loads each wanted model from the first directory that holds it. */
export async function findModels(wanted: ReadonlySet<string>, directories: readonly string[]): Promise<ModelsAtHand> {
  const loaded = new Map<string, LoadedModel>();
  const refused = new Map<string, string>();
  for (const directory of new Set(directories)) {
    const manifest = await manifestIn(directory);
    if (manifest === null) continue;
    const { bytes, modelHash } = manifest;
    if (!wanted.has(modelHash) || loaded.has(modelHash)) continue;
    const model = await loadFrom(directory, bytes);
    if (typeof model === 'string') refused.set(modelHash, `${directory}: ${model}`);
    else loaded.set(modelHash, model);
  }
  const close = async (): Promise<void> => {
    await Promise.all([...loaded.values()].map(({ evaluator }) => evaluator.close()));
  };
  return { loaded, refused, close };
}

/** The model, or why it is refused. */
async function loadFrom(directory: string, bytes: Uint8Array): Promise<LoadedModel | string> {
  const reading = readManifest(bytes);
  if (!reading.ok) return `manifest: ${reading.detail}`;
  if (!FEATURE_SET_IDS.includes(reading.manifest.feature_set_id)) return `this build computes no features ${reading.manifest.feature_set_id}`;
  const model = await loadOnnxModel(directory, ownExpectations(reading.manifest));
  return model.ok ? model : `check ${model.check}: ${model.detail}`;
}
