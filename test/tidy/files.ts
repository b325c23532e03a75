/** Every file of the project, as paths from its root; what is installed, generated or kept by git is left out. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '..', '..');
const LEFT_OUT = new Set(['node_modules', '.git', 'coverage', 'data', 'bench-results.json', 'package-lock.json']);

export function projectFiles(directory = ''): readonly string[] {
  return readdirSync(join(ROOT, directory), { withFileTypes: true })
    .filter(({ name }) => directory !== '' || !LEFT_OUT.has(name))
    .flatMap((entry) => {
      const path = join(directory, entry.name);
      return entry.isDirectory() ? projectFiles(path) : [path];
    })
    .sort();
}
