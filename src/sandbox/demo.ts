/** `npm run demo`: see README.md. This file only looks at the runtime, before anything is loaded that needs it. */

// 24.15 is what package.json asks for; scripts/node.sh says the same to those who come through npm.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 24 || (major === 24 && minor < 15)) {
  process.stderr.write(
    `The demo needs Node.js 24.15 or later and this is ${process.versions.node}: start it with "npm run demo", which brings its own.\n`,
  );
  process.exitCode = 1;
} else {
  const { runDemo } = await import('./demo-run.ts');
  process.exitCode = await runDemo(process.argv.slice(2));
}
