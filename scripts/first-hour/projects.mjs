// Three kinds of projects, as developers begin them. Each counts or adds up by key, so that a record that is lost or counted
// twice shows in the numbers.
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeUser, manifest } from '../package/tarball.mjs';
import { command } from './terminal.mjs';

const write = (directory, files) => {
  mkdirSync(directory, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
};
const json = (value) => `${JSON.stringify(value, null, 2)}\n`;
/** What npm has unpacked once need not be unpacked again: it adds what is missing. */
const handOn = (user, root) =>
  cpSync(join(user, 'node_modules'), join(root, 'node_modules'), { recursive: true, verbatimSymlinks: true });
/** The exact version that this checkout is developed with. */
const versionOf = (name) => manifest.devDependencies[name].replace(/^npm:.*@/, '');

/** `millrace new`: ES modules in TypeScript, types checked. */
export const typescript = {
  name: 'TypeScript',
  app: 'visits',
  topic: 'visits',
  output: 'visits-by-page',
  store: 'counts',
  key: 'page',
  keys: ['/', '/docs', '/about', '/admin', '/team'],
  line: (key, i) => ({ page: key, bot: i % 7 === 0 }),
  adds: ({ bot }) => !bot,
  left: '/admin',
  places: (root) => [{ cwd: root, file: 'topology.ts' }],
  runOptions: ['--partitions', '2'],
  test: 'npm test',
  async make(root, { user, tarball }) {
    await command(`npx --no-install millrace new ${root}`, { cwd: user });
    handOn(user, root);
    await command('npm install', { cwd: root });
    const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    if (dependencies.millrace !== `file:${tarball}`) throw new Error(`depends on millrace ${dependencies.millrace}`);
  },
  topology: 'topology.ts',
  changes: {
    more: [
      [
        "  t.stream('visits', { key: serdes.string, value: serdes.json<Visit>() }).pipe(\n",
        "  const visits = t.stream('visits', { key: serdes.string, value: serdes.json<Visit>() });\n  visits.pipe(count({ store: 'all' }), to('all', { key: serdes.string, value: serdes.int64 }));\n  visits.pipe(\n    filter((record) => record.value.page !== '/admin'),\n",
      ],
    ],
    refused: [
      [
        "count({ store: 'counts' })",
        "aggregate({ store: 'counts', value: serdes.string, initial: () => '', add: (all, record) => all + record.key })",
      ],
      ['value: serdes.int64 }),\n  );', 'value: serdes.string }),\n  );'],
      ['import { count,', 'import { aggregate, count,'],
    ],
  },
};

/** JavaScript in CommonJS: no TypeScript is installed, and there is nothing but what the README says. */
export const commonjs = {
  name: 'CommonJS',
  app: 'payments',
  topic: 'payments',
  output: 'totals',
  store: 'totals',
  key: 'account',
  keys: ['a-1', 'a-2', 'a-3', 'a-4', 'a-5'],
  line: (key, i) => ({ account: key, amount: i % 7 === 0 ? 0 : 1 }),
  adds: ({ amount }) => amount > 0,
  left: 'a-4',
  places: (root) => [{ cwd: root, file: 'topology.cjs' }],
  runOptions: [],
  env: { MILLRACE_PARTITIONS: '2' },
  test: 'node --test topology.test.cjs',
  async make(root, { user }) {
    cpSync(user, root, { recursive: true, verbatimSymlinks: true });
    write(root, {
      'topology.cjs': `const { aggregate, count, serdes, to, topology } = require('millrace');
const { filter } = require('rxjs');

module.exports = topology('payments', (t) => {
  const payments = t.stream('payments', { key: serdes.string, value: serdes.json() });
  payments.pipe(
    filter((record) => record.value.amount > 0),
    aggregate({ store: 'totals', value: serdes.double, initial: () => 0, add: (total, { value }) => total + value.amount }),
    to('totals', { key: serdes.string, value: serdes.double }),
  );
});
`,
      'topology.test.cjs': `const assert = require('node:assert/strict');
const { test } = require('node:test');
const { serdes } = require('millrace');
const { TestDriver } = require('millrace/testing');
const payments = require('./topology.cjs');

test('adds up the amounts of an account', async () => {
  const driver = await TestDriver.create(payments);
  const pay = (amount) => ({ key: 'a-1', value: { account: 'a-1', amount } });
  await driver.input('payments', { key: serdes.string, value: serdes.json() }).sendAll([pay(1), pay(2), pay(-3)]);
  assert.equal(await driver.store('totals').get('a-1'), 3);
  await driver.close();
});
`,
    });
  },
  topology: 'topology.cjs',
  changes: {
    more: [
      [
        '  payments.pipe(\n',
        "  payments.pipe(count({ store: 'all' }), to('all', { key: serdes.string, value: serdes.int64 }));\n  payments.pipe(\n    filter((record) => record.key !== 'a-4'),\n",
      ],
    ],
    refused: [["store: 'totals', value: serdes.double", "store: 'totals', value: serdes.json()"]],
  },
};

/** A workspace: the topology of one package imports another one, and the configuration is at the root. */
export const workspace = {
  name: 'workspace',
  app: 'orders',
  topic: 'orders',
  output: 'revenue',
  store: 'revenue',
  key: 'customer',
  keys: ['ada', 'bob', 'cleo', 'dora', 'emil'],
  line: (key, i) => ({ customer: key, units: i % 7 === 0 ? 0 : 1 }),
  adds: ({ units }) => units > 0,
  left: 'dora',
  places: (root) => [
    { cwd: root, file: 'orders' },
    { cwd: join(root, 'packages', 'orders'), file: 'topology.ts' },
    { cwd: root, file: 'packages/orders/topology.ts' },
    { cwd: join(root, 'packages', 'shared'), file: 'orders' },
  ],
  runOptions: [],
  config: { partitions: 2, applications: [{ name: 'orders', file: 'packages/orders/topology.ts', cache: '16MB' }] },
  test: 'npm test --workspaces --if-present',
  async make(root, { user, tarball }) {
    const dependencies = { '@shop/shared': '1.0.0', millrace: `file:${tarball}`, rxjs: versionOf('rxjs') };
    const devDependencies = {
      '@types/node': versionOf('@types/node'),
      tsx: manifest.dependencies.tsx,
      typescript: versionOf('@typescript/native'),
    };
    makeUser(root, { name: 'shop', workspaces: ['packages/*'], devDependencies });
    write(root, { 'millrace.config.json': json(this.config) });
    write(join(root, 'packages', 'shared'), {
      'package.json': json({ name: '@shop/shared', version: '1.0.0', type: 'module', exports: './index.ts' }),
      'index.ts': `export interface Order {
  readonly customer: string;
  readonly units: number;
}

export const isPaid = (order: Order): boolean => order.units > 0;
`,
    });
    write(join(root, 'packages', 'orders'), {
      'package.json': json({
        name: '@shop/orders',
        version: '1.0.0',
        type: 'module',
        scripts: { test: 'node --import tsx --test topology.test.ts' },
        dependencies,
      }),
      'topology.ts': `import { isPaid, type Order } from '@shop/shared';
import { aggregate, count, serdes, to, topology } from 'millrace';
import { filter } from 'rxjs';

export default topology('orders', (t) => {
  const orders = t.stream('orders', { key: serdes.string, value: serdes.json<Order>() });
  orders.pipe(
    filter(({ value }) => isPaid(value)),
    aggregate({ store: 'revenue', value: serdes.double, initial: () => 0, add: (sum, { value }) => sum + value.units }),
    to('revenue', { key: serdes.string, value: serdes.double }),
  );
});
`,
      'topology.test.ts': `import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Order } from '@shop/shared';
import { serdes } from 'millrace';
import { TestDriver } from 'millrace/testing';
import orders from './topology.js';

test('adds up what is paid', async () => {
  await using driver = await TestDriver.create(orders);
  const order = (units: number) => ({ key: 'ada', value: { customer: 'ada', units } });
  await driver.input('orders', { key: serdes.string, value: serdes.json<Order>() }).sendAll([order(1), order(0), order(2)]);
  assert.equal(await driver.store('revenue').get('ada'), 3);
});
`,
    });
    handOn(user, root);
    await command('npm install', { cwd: root });
  },
  topology: 'packages/orders/topology.ts',
  changes: {
    more: [
      [
        '  orders.pipe(\n',
        "  orders.pipe(count({ store: 'all' }), to('all', { key: serdes.string, value: serdes.int64 }));\n  orders.pipe(\n    filter(({ value }) => value.customer !== 'dora'),\n",
      ],
    ],
    refused: [["store: 'revenue', value: serdes.double", "store: 'revenue', value: serdes.json<number>()"]],
  },
};

/** Edits a file, as a developer does. */
export function edit(path, edits) {
  const before = readFileSync(path, 'utf8');
  let text = before;
  for (const [from, to] of edits) {
    if (!text.includes(from)) throw new Error(`${path} has no ${JSON.stringify(from)}:\n${text}`);
    text = text.replace(from, () => to);
  }
  writeFileSync(path, text);
  return () => writeFileSync(path, before);
}
