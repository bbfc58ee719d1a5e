/** The layers of src/, lowest first, as docs/architecture.md describes them; the test next to it holds the tree to them. */

export interface Layer {
  readonly name: string;
  /** Paths below src/: a folder ends in a slash; `*.ts` are the files of src/ itself that no earlier layer names. */
  readonly paths: readonly string[];
  /** Layers of equal rank never import each other. */
  readonly rank: number;
}

export const LAYERS: readonly Layer[] = [
  { name: 'errors', paths: ['errors.ts'], rank: 0 },
  { name: 'isa', paths: ['isa/'], rank: 1 },
  { name: 'btf', paths: ['btf/'], rank: 2 },
  { name: 'memory', paths: ['memory/'], rank: 3 },
  { name: 'maps', paths: ['maps/'], rank: 4 },
  { name: 'progs', paths: ['progs/'], rank: 5 },
  { name: 'helpers', paths: ['helpers/'], rank: 6 },
  { name: 'elf', paths: ['elf/'], rank: 7 },
  { name: 'verifier', paths: ['verifier/'], rank: 7 },
  { name: 'vm', paths: ['vm/'], rank: 7 },
  { name: 'net', paths: ['net/'], rank: 7 },
  { name: 'api', paths: ['index.ts', 'browser.ts'], rank: 9 },
  { name: 'object', paths: ['*.ts', 'test-run/'], rank: 8 },
  { name: 'cli', paths: ['cli/'], rank: 10 },
];

/** Files below src/ that may use Node's modules and globals. */
export const NODE_ALLOWED: readonly string[] = ['cli/', 'net/node-sock.ts', 'elf/reader.ts', 'index.ts'];

/** Packages of node_modules and the only files below src/ that may import them. */
export const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  elfy: ['elf/reader.ts'],
  commander: ['cli/'],
};

export const within = (file: string, paths: readonly string[]): boolean =>
  paths.some((path) => {
    if (path.endsWith('/')) return file.startsWith(path);
    return path === '*.ts' ? !file.includes('/') : file === path;
  });

/** The layer of a file below src/. */
export function layerOf(file: string): Layer | undefined {
  return LAYERS.find((layer) => within(file, layer.paths));
}
