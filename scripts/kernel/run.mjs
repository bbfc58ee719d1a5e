// Running commands, and the places of the cache.
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

/** Linked worktrees share the cache of the repository that they belong to. */
function repository() {
  const common = tryOutput('git', ['-C', root, 'rev-parse', '--path-format=absolute', '--git-common-dir']);
  return common !== undefined && path.basename(common) === '.git' ? path.dirname(common) : root;
}

/** What depends on the machine alone: sources, libbpf, compiled selftests. BPFVM_CACHE moves it elsewhere. */
export const machineCache = path.join(process.env.BPFVM_CACHE ?? path.join(repository(), '.cache'), 'kernel');
/** What depends on this checkout: compiled drivers, and the manifest that tests read. */
export const driverCache = path.join(root, '.cache', 'drivers');
export const manifestFile = path.join(root, '.cache', 'kernel-corpus.json');

/** Output of a command, or undefined where it is missing or fails. */
export function tryOutput(command, args) {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined;
  }
}

/** Runs a command that must succeed; the end of its diagnostics is in the error. */
export function run(command, args, options = {}) {
  try {
    return execFileSync(command, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 1 << 28,
      ...options,
    });
  } catch (error) {
    const tail = String(error.stderr ?? error.message)
      .trim()
      .split('\n')
      .slice(-8)
      .join('\n');
    throw new Error(`${command} ${args.slice(0, 6).join(' ')}: ${tail}`, { cause: error });
  }
}

export const runAsync = promisify(execFile);

export const digest = (...parts) => createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 12);

/** Calls `work` on every item, at most `width` at a time. */
export async function inParallel(items, width, work) {
  const pending = [...items];
  const worker = async () => {
    for (let item = pending.shift(); item !== undefined; item = pending.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: width }, worker));
}
