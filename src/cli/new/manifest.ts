import { existsSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { basename, dirname, join, resolve } from 'node:path';
import { ownOf } from '../../model/own.js';
import { PACKAGE, type Template } from './templates.js';

type Versions = Readonly<Record<string, string>>;

/** What a project takes from the package.json of this millrace: it was tested with these versions. */
interface OwnManifest {
  readonly name: string;
  readonly version: string;
  readonly engines: Versions;
  readonly allowScripts: Readonly<Record<string, boolean>>;
  readonly dependencies: Versions;
  readonly devDependencies: Versions;
}

const DEV_DEPENDENCIES = ['@types/node', 'tsx', 'typescript'];
const RESERVED = ['millrace', 'rxjs', 'node_modules', 'favicon.ico', ...DEV_DEPENDENCIES, ...builtinModules];
/** npm takes 214. */
const MAX_NAME = 200;

/** A name that npm takes, made of that of a directory: `Zähler 2` → `zahler-2`. */
export function packageName(directory: string): string {
  const name = basename(directory)
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .slice(0, MAX_NAME)
    .replace(/^[._-]+|[._-]+$/g, '');
  if (name === '') return 'app';
  return RESERVED.includes(name) ? `${name}-app` : name;
}

/** The text of package.json. */
export function packageJson(name: string, { scripts }: Template): string {
  const own = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8')) as OwnManifest;
  const { start, ...others } = scripts;
  const manifest = {
    name,
    version: '0.1.0',
    private: true,
    type: 'module',
    engines: own.engines,
    scripts: { start, test: 'tsc && node --import tsx --test topology.test.ts', ...others },
    dependencies: { millrace: installedFrom(own.name) ?? own.version, rxjs: versionOf(own, 'rxjs') },
    devDependencies: Object.fromEntries(DEV_DEPENDENCIES.map((dependency) => [dependency, versionOf(own, dependency)])),
    // The only one of them that has an install script comes with tsx. npm 11 warns until that is decided.
    allowScripts: { esbuild: own.allowScripts.esbuild },
  };
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

/** The exact version that this millrace was tested with, under whatever name it has that. */
function versionOf({ dependencies, devDependencies }: OwnManifest, name: string): string {
  const all = { ...devDependencies, ...dependencies };
  const alias = Object.values(all).find((version) => version.startsWith(`npm:${name}@`));
  return alias === undefined ? (ownOf(all, name) as string) : alias.slice(`npm:${name}@`.length);
}

/** What npm notes of the packages that it has installed. */
interface Installed {
  readonly packages?: Readonly<Record<string, { readonly resolved?: string }>>;
}

/**
 * The file that npm has installed this millrace from, for package.json; undefined if it was another source. A
 * version that is only in a file is in no registry.
 */
function installedFrom(name: string): string | undefined {
  const modules = dirname(resolve(PACKAGE));
  const notes = join(modules, '.package-lock.json');
  if (!existsSync(notes)) return undefined;
  const { packages = {} } = JSON.parse(readFileSync(notes, 'utf8')) as Installed;
  const source = ownOf(packages, `node_modules/${name}`)?.resolved;
  if (!source?.startsWith('file:')) return undefined;
  const file = resolve(dirname(modules), source.slice('file:'.length));
  return existsSync(file) ? `file:${file.replaceAll('\\', '/')}` : undefined;
}
