import path from 'node:path';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';
import { inlineEnums } from './test/lib/inline-enums.js';

/** Under BPFVM_TEST_DIST, `src/` means the compiled `dist/src/`: these tests take what users get. */
const useDist: Plugin = {
  name: 'bpfvm-dist',
  enforce: 'pre',
  resolveId(source, importer) {
    if (importer === undefined || !source.startsWith('.')) return undefined;
    const target = path.resolve(path.dirname(importer), source);
    const below = path.relative(path.join(import.meta.dirname, 'src'), target);
    return below.startsWith('..') ? undefined : path.join(import.meta.dirname, 'dist/src', below);
  },
};

export default defineConfig({
  plugins:
    process.env['BPFVM_TEST_DIST'] === undefined
      ? [inlineEnums(path.join(import.meta.dirname, 'src'))]
      : [useDist],
  test: {
    include: ['test/kernel/**/*.test.ts'],
    testTimeout: 300_000,
    hookTimeout: 300_000,
    pool: 'forks',
    maxWorkers: 2,
  },
});
