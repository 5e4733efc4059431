//! The tests of the whole, in one program: it is linked once, and its runs, which mostly wait for players, share the time.

mod access;
mod admission;
mod broken;
mod channels;
mod cluster;
mod common;
mod dialogues;
mod frames;
mod fuzz_seeds;
mod house;
mod independent;
mod live;
mod loss;
mod mp2t;
mod multicast;
mod publish;
mod pull;
mod raid;
mod robust;
mod seek;
mod shift;
mod simulator;
mod suite;
mod trick;
mod watching;
mod worst;
