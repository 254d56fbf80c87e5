/** One burst of launches, in a process of its own. Prints what it cost. */
import { burst } from './burst-run.ts';
import { peakBytes } from './peak.ts';

const [launches = 0, workers = 1, slots = 1] = process.argv.slice(2).map(Number);
console.log(JSON.stringify(await burst({ launches, workers, slots }, peakBytes)));
