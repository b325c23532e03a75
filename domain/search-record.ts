/** A search's record as the log holds it, and back: floats as their shortest texts, which give the same bits again. */
import type { DataOf } from './events.ts';
import type { SearchRecord, SearchSettings } from './policy.ts';

type SearchData = NonNullable<DataOf<'DecisionMade'>['search']>;
type SettingsData = NonNullable<SearchData['settings']>;

export function searchData({ settings, priors, visits, q, rawRootValue, searchRootValue, improvedPolicy, noise, headsBase64 }: SearchRecord): SearchData {
  const { simulations, discount, kind, chanceCodes, minConfidence, temperature, selection } = settings;
  return {
    simulations,
    discount: String(discount),
    settings: { kind, chanceCodes, minConfidence: String(minConfidence), temperature: String(temperature), selection: selectionData(selection) },
    priors: priors.map(String),
    visits: [...visits],
    q: q.map(String),
    rawRootValue: String(rawRootValue),
    searchRootValue: String(searchRootValue),
    improvedPolicy: improvedPolicy?.map(String) ?? null,
    noise: noise?.map(String) ?? null,
    headsBase64,
  };
}

function selectionData(selection: SearchSettings['selection']): SettingsData['selection'] {
  if (selection.algorithm === 'puct') return { algorithm: 'puct', pbCInit: String(selection.pbCInit), pbCBase: String(selection.pbCBase) };
  const { consideredActionsMax, maxVisitInit, valueScale, scale } = selection;
  return { algorithm: 'gumbel', consideredActionsMax, maxVisitInit: String(maxVisitInit), valueScale: String(valueScale), scale: String(scale) };
}

/** Null for a record of version 1, which does not say how its search was set up. */
export function searchRecordOf(data: SearchData): SearchRecord | null {
  const { settings, simulations, discount, priors, visits, q, rawRootValue, searchRootValue, improvedPolicy, noise, headsBase64 } = data;
  if (settings === null) return null;
  const { kind, chanceCodes, minConfidence, temperature, selection } = settings;
  return {
    settings: { kind, chanceCodes, simulations, discount: Number(discount), minConfidence: Number(minConfidence), temperature: Number(temperature), selection: selectionOf(selection) },
    priors: priors.map(Number),
    visits,
    q: q.map(Number),
    rawRootValue: Number(rawRootValue),
    searchRootValue: Number(searchRootValue),
    improvedPolicy: improvedPolicy?.map(Number) ?? null,
    noise: noise?.map(Number) ?? null,
    headsBase64,
  };
}

function selectionOf(selection: SettingsData['selection']): SearchSettings['selection'] {
  if (selection.algorithm === 'puct') return { algorithm: 'puct', pbCInit: Number(selection.pbCInit), pbCBase: Number(selection.pbCBase) };
  const { consideredActionsMax, maxVisitInit, valueScale, scale } = selection;
  return { algorithm: 'gumbel', consideredActionsMax, maxVisitInit: Number(maxVisitInit), valueScale: Number(valueScale), scale: Number(scale) };
}
