"""When jobs are submitted by themselves: at times, or on alarms. Plain values, which know no clock and no Redis."""
