// Starts the runner where nothing may be installed yet, and says so. Plain JavaScript, for any Node.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const oldestNode = 24;

process.chdir(root);
if (!existsSync(join('node_modules', 'jest'))) {
  console.error('The Node packages are not installed. Run `npm ci` (`npm test` does it by itself).');
  process.exit(1);
}
if (Number(process.versions.node.split('.')[0]) < oldestNode) {
  console.error(
    `This is Node ${process.versions.node}. Use \`npm run\`, which finds the clone's own, or Node ${oldestNode} or later.`,
  );
  process.exit(1);
}
await import('./main.ts');
