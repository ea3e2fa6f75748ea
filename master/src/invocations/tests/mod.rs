mod room;
mod simulation;
