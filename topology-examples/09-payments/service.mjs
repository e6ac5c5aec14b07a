// A payment service as they are: it fails, it hangs, it answers twice, and it refuses. What it has charged under a key, it
// charges only once. Usage: node service.mjs COMMAND…, which runs the command with the address in PAYMENTS_URL.
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';

const LIMIT = 1_000;
const paid = new Map();
const answers = new Map();
let requests = 0;

const bodyOf = async (request) => {
  let text = '';
  for await (const part of request) text += part;
  return JSON.parse(text);
};

const server = createServer(async (request, response) => {
  const key = request.headers['idempotency-key'];
  const { id, account, cents } = await bodyOf(request);
  const send = (status, body = {}) => response.writeHead(status).end(JSON.stringify(body));
  const nth = ++requests;
  if (nth % 5 === 1) return send(503);
  if (nth % 7 === 2) return send(429);
  const known = answers.get(key);
  if (known) return send(200, known);
  const sum = (paid.get(account) ?? 0) + cents;
  if (sum > LIMIT) return send(402);
  paid.set(account, sum);
  answers.set(key, { payment: id, paid: sum });
  // It has charged, and its answer is lost.
  if (nth % 6 === 0) return;
  send(200, answers.get(key));
});

server.listen(0, '127.0.0.1', () => {
  const [command, ...args] = process.argv.slice(2);
  const env = { ...process.env, PAYMENTS_URL: `http://127.0.0.1:${server.address().port}` };
  spawn(command, args, { env, stdio: 'inherit' }).on('exit', (code) => {
    const accounts = [...paid].sort().map(([account, sum]) => `${account} ${sum}`);
    console.log(`charged: ${accounts.join(', ')}`);
    server.closeAllConnections();
    server.close();
    process.exitCode = code ?? 1;
  });
});
