// Prints the changes of ../05-source-history in the order in which they landed, one JSON object a line.
import { readFileSync } from 'node:fs';

const data = new URL('../05-source-history/data/rxjs-src-changes.jsonl', import.meta.url);
const changes = readFileSync(data, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line));
changes.sort((a, b) => a.sequence - b.sequence);
process.stdout.write(changes.map((change) => `${JSON.stringify(change)}\n`).join(''));
