/**
 * Loads the simulator over a product with a fault planted in it: the module loader rewrites one text of one file on its way
 * in. Each mutant has modules of its own, so that several can be held against one another in one process.
 */
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Mutant } from './mutants.ts';
import { MUTANTS } from './mutants.ts';
import type { drawOptions } from './options.ts';
import type { simulate } from './simulate.ts';

const ROOT = join(import.meta.dirname, '../..');
const QUERY = '?mutant=';

const mutantIn = (url: string | undefined): string | null => (url?.includes(QUERY) === true ? url.slice(url.indexOf(QUERY) + QUERY.length) : null);
const isOurs = (url: string): boolean => url.startsWith('file:') && !url.includes('/node_modules/');

const mutantOf = (name: string): Mutant => {
  const found = MUTANTS.find((mutant) => mutant.name === name);
  if (found === undefined) throw new Error(`no mutant is called ${name}: there are ${MUTANTS.map((mutant) => mutant.name).join(', ')}`);
  return found;
};

/** @throws Error when the text is not there exactly once: the product has changed, and the mutant must follow. */
export function planted(source: string, { name, file, from, to }: Mutant): string {
  const parts = source.split(from);
  if (parts.length !== 2) throw new Error(`mutant ${name}: its text is in ${file} ${parts.length - 1} times, not once`);
  return parts.join(to);
}

let isHooked = false;

function hook(): void {
  if (isHooked) return;
  isHooked = true;
  registerHooks({
    resolve(specifier, context, next) {
      const resolved = next(specifier, context);
      const mutant = mutantIn(context.parentURL);
      return mutant === null || !isOurs(resolved.url) || mutantIn(resolved.url) !== null ? resolved : { ...resolved, url: `${resolved.url}${QUERY}${mutant}` };
    },
    load(url, context, next) {
      const name = mutantIn(url);
      if (name === null) return next(url, context);
      const loaded = next(url, context);
      const mutant = mutantOf(name);
      if (fileURLToPath(url.slice(0, url.indexOf(QUERY))) !== join(ROOT, mutant.file)) return loaded;
      return { ...loaded, source: planted(Buffer.from(loaded.source as Uint8Array).toString('utf8'), mutant) };
    },
  });
}

interface Simulator {
  readonly simulate: typeof simulate;
  readonly drawOptions: typeof drawOptions;
}

/** The simulator over the product as it is (null), or with a mutant in it. */
export async function simulatorOf(mutant: string | null): Promise<Simulator> {
  if (mutant !== null) mutantOf(mutant);
  if (mutant !== null) hook();
  const query = mutant === null ? '' : `${QUERY}${mutant}`;
  const [simulator, options] = [(await import(`./simulate.ts${query}`)) as Pick<Simulator, 'simulate'>, (await import(`./options.ts${query}`)) as Pick<Simulator, 'drawOptions'>];
  return { simulate: simulator.simulate, drawOptions: options.drawOptions };
}
