#!/usr/bin/env node
import { main } from '../src/cli/main.js';

// Whoever reads the output may have enough of it (`| head`): that is no error.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? undefined : 1));
}
process.exitCode = await main(process.argv.slice(2));
