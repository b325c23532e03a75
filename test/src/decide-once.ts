/** Decides once in a process of its own, and prints what came out. */
import { decisionHashes } from './decide.ts';

process.stdout.write(JSON.stringify((await decisionHashes(1)).flat()));
