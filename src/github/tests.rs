//! The client against handmade answers.
