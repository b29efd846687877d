/* A whole worker in C: sends what it reads, or prints what it hears. */
#include "sallyport.h"

static sp_worker w;

int main(void)
{
	char text[512] = "too \x1b hot ";
	double value;
	sp_item item;
	for (int i = 0; i < 200; i++)
		strcat(text, "\xc3\xa9");
	if (sp_begin(&w) < 0)
		return sp_end(&w);
	if (strcmp(sp_setting_of(&w, "role", ""), "send") == 0) {
		while (sp_every(&w, sp_duration(&w, "every", 10000)) > 0) {
			for (unsigned i = 0; i < w.start.sensors; i++) {
				const char *name = w.start.sensor[i].name;
				if (sp_value(&w, name, &value) < 0)
					continue;
				sp_reading(&w, name, value);
				if (value > 80)
					sp_alert(&w, name, value, text);
			}
		}
	} else {
		while (sp_next(&w, &item)) {
			printf("%s %s %u %.1f %s %s %llu\n", item.alert ? "alert" : "reading", item.sensor, item.worker, item.frame.value,
			       item.frame.unit, item.frame.text, (unsigned long long)item.frame.seq);
			fflush(stdout);
		}
	}
	return sp_end(&w);
}
