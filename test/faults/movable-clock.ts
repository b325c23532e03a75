/** Loaded into a daemon before anything else: SIGUSR2 moves its wall clock by CLOCK_STEP_MS and leaves the monotonic one alone. */
const now = Date.now.bind(Date);
let movedMs = 0;
Date.now = () => now() + movedMs;
process.on('SIGUSR2', () => {
  movedMs += Number(process.env['CLOCK_STEP_MS']);
});
