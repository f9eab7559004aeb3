//! Arguments and the commands behind them.
