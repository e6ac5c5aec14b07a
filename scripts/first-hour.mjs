// The first hour of a developer, in three kinds of projects: from the packed tarball to an application that is fed, looked into,
// changed, killed and started again, with every total right. Each wait is for something that is seen, never for a time.
//
//   node scripts/first-hour.mjs [typescript|commonjs|workspace ...]
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Account } from './first-hour/account.mjs';
import * as projects from './first-hour/projects.mjs';
import { STEPS } from './first-hour/steps.mjs';
import { endAll, Terminals } from './first-hour/terminal.mjs';
import { check, concludeChecks } from './package/checks.mjs';
import { makeUser, manifest, output, pack } from './package/tarball.mjs';

const { edit: _, ...kinds } = projects;
const wanted = process.argv.slice(2);
const temporary = realpathSync(mkdtempSync(join(tmpdir(), 'millrace-hour-')));

/** What somebody has who only typed the line of the README. */
function install(tarball) {
  const user = join(temporary, 'user');
  makeUser(user, {});
  const rxjs = `rxjs@${manifest.devDependencies.rxjs}`;
  output('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', tarball, rxjs], { cwd: user });
  return { user, tarball };
}

/** The steps of one project. What follows a failed step would fail for the same reason, so it is not tried. */
async function hourOf(name, source) {
  const project = kinds[name];
  const root = join(temporary, name);
  const terminals = new Terminals({ root, places: project.places(root), env: project.env });
  const hour = {
    project,
    root,
    source,
    terminals,
    account: new Account(project, mkdtempSync(join(temporary, `${name}-`))),
  };
  for (const [step, take] of Object.entries(STEPS)) {
    if (!(await check(`${project.name}: ${step}`, () => take(hour)))) return;
  }
}

try {
  const source = await check('npm install of the tarball', () =>
    pack(temporary).then(({ tarball }) => install(tarball)),
  );
  if (source) await Promise.all((wanted.length > 0 ? wanted : Object.keys(kinds)).map((name) => hourOf(name, source)));
} finally {
  endAll();
  rmSync(temporary, { recursive: true, force: true, maxRetries: 5 });
}
concludeChecks();
