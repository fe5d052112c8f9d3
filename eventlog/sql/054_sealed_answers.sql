-- Answers of commands are sealed from here on. Those kept in clear so far name people, and nobody could open them.
delete from record.commands;
